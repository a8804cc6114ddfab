"""What plans and projects are made from beside the model: Anvil's own data, and its digest."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.build.tools import installed_version
from anvil.core.digest import key_of
from anvil.pipeline.watched import data_key
from anvil.resources import built_in, code_digest, digest_of_resources, read_folder

if TYPE_CHECKING:
    from anvil.pipeline.workspace import Workspace
    from anvil.resources import Resource

# Those that could change what a plan holds: pillow decodes data, ortools places tensors.
_LIBRARIES = ("ai-edge-litert", "jinja2", "numpy", "ortools", "pillow", "pyyaml", "simpleeval")

# Timing programs, CI files and pages: nothing of a build is made of them.
_OTHER_TEMPLATES = ("bench/", "ci/", "report/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Anvil's own inputs: kernels, templates, profiles, and the digest of those with its code."""

    kernels: dict[str, Resource]
    templates: dict[str, Resource]
    profiles: dict[str, Resource]
    data: list[Any]  # what `data_key` gave
    digest: str


def read_sources(workspace: Workspace) -> Sources:
    """Read kernels/ and targets/ (the project's own first) and templates/.

    The digest covers what runs the pure stages, too: Anvil's code, Python, and the libraries
    that could change what they give; and the project's data. Raises AnvilError (exit 2) where the
    data is not there.
    """
    kernels = read_folder(workspace.folder / "kernels", built_in("kernels"))
    templates = {
        path: resource
        for path, resource in read_folder(built_in("templates")).items()
        if not path.startswith(_OTHER_TEMPLATES)
    }
    profiles = read_folder(workspace.folder / "targets", built_in("targets"))
    data = data_key(workspace)
    return Sources(
        kernels=kernels,
        templates=templates,
        profiles=profiles,
        data=data,
        digest=key_of(
            [
                code_digest(),
                digest_of_resources(kernels),
                digest_of_resources(templates),
                # Profiles are in a target's digest; the cost tables beside them decide, too.
                digest_of_resources({k: v for k, v in profiles.items() if k.startswith("costs/")}),
                data,
                sys.version,
                [installed_version(library) for library in _LIBRARIES],
            ]
        ),
    )
