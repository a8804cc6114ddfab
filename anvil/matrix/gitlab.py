"""GitLab's child pipeline: one job for each project and target."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.matrix.jobs import Job

_LONGEST_NAME = 255  # of a job


def child_pipeline(jobs: Sequence[Job], head: str) -> str:
    """The YAML of a whole pipeline.

    head: what all jobs share, with the hidden job `.anvil` that each extends.
    """
    lines = []
    for job in jobs:
        name = job.name if len(job.name) <= _LONGEST_NAME else job.id
        # A dollar in a folder's name is no variable.
        variables = {
            "ANVIL_ID": job.id,
            "ANVIL_PROJECT": {"value": job.project, "expand": False},
            "ANVIL_TARGET": job.target,
        }
        # JSON is YAML, and quotes every text.
        body = json.dumps({"extends": ".anvil", "variables": variables}, ensure_ascii=False)
        lines.append(f"{json.dumps(name, ensure_ascii=False)}: {body}\n")
    return "\n".join((head, "".join(lines)))
