"""GitHub's matrices: what `fromJSON` takes, at most 256 jobs in each."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.matrix.jobs import Job

LIMIT = 256  # jobs of one matrix, and groups of the matrix of matrices


def matrix(jobs: Sequence[Job]) -> dict[str, Any]:
    """`strategy.matrix` of at most LIMIT jobs."""
    return {"include": [job.as_json() for job in jobs]}


def matrix_of_groups(groups: Mapping[str, Sequence[Job]]) -> dict[str, Any]:
    """`strategy.matrix` whose every entry has a matrix as `jobs`, for a reusable workflow."""
    return {"include": [{"group": name, "jobs": matrix(jobs)} for name, jobs in groups.items()]}


def split(jobs: Sequence[Job]) -> dict[str, tuple[Job, ...]]:
    """The jobs in groups of at most LIMIT, by name of the group.

    A group that becomes too large is halved by the next bit of its jobs' digests, and no other
    group is touched: one more job leaves all but the jobs of a full group where they were.
    Raises AnvilError (exit 2) where there would be more than LIMIT groups.
    """
    groups = dict(_split([(_bits(job), job) for job in jobs], ""))
    if len(groups) > LIMIT:
        raise AnvilError(
            Diagnostic(
                code="matrix.too-many",
                message=f"{len(jobs)} jobs are {len(groups)} groups of at most {LIMIT}, and a "
                f"workflow of GitHub takes {LIMIT}",
                hint="list fewer projects in one workflow, or fewer targets with --target",
            )
        )
    return groups


def _split(jobs: list[tuple[str, Job]], prefix: str) -> list[tuple[str, tuple[Job, ...]]]:
    if len(jobs) <= LIMIT:
        return [(prefix or "all", tuple(job for _, job in jobs))] if jobs or not prefix else []
    found = []
    for bit in "01":
        longer = prefix + bit
        found += _split([one for one in jobs if one[0].startswith(longer)], longer)
    return found


def _bits(job: Job) -> str:
    number = int.from_bytes(hashlib.sha256(job.id.encode()).digest())
    return f"{number:0256b}"


def as_line(document: Mapping[str, Any]) -> str:
    """JSON on one line, as GITHUB_OUTPUT takes it."""
    return json.dumps(document, separators=(",", ":")) + "\n"
