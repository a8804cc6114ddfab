"""The jobs of a continuous integration: project by target, each with a name that stays."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anvil.core.diagnostics import AnvilError, Diagnostic

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST_SLUG = 60
_N_DIGITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A project as its anvil.yaml names it, and where that lies."""

    folder: str  # relative to the repository's root, with slashes; `.` is the root
    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One project for one target.

    `id` is of a-z, 0-9, _ and - alone, for names of artifacts and caches; `name` is for people.
    Both follow from this project and target and from nothing else that is listed.
    """

    id: str
    name: str
    project: str  # the folder
    target: str

    def as_json(self) -> dict[str, str]:
        """The job as every format lists it."""
        return {"id": self.id, "name": self.name, "project": self.project, "target": self.target}


def make_jobs(listings: Iterable[Listing]) -> tuple[Job, ...]:
    """Project by target, in the order given; a folder that is listed twice counts once.

    Raises AnvilError (exit 2) for folders whose names no CI can hold.
    """
    unique = {listing.folder: listing for listing in listings}
    problems = [_bad_name(folder) for folder in unique if not _is_printable(folder)]
    if problems:
        raise AnvilError(*problems)
    return tuple(_job(listing, target) for listing in unique.values() for target in listing.targets)


def _job(listing: Listing, target: str) -> Job:
    where = "" if listing.folder == "." else f"({listing.folder}) "
    slug = re.sub(r"[^a-z0-9_]+", "-", f"{listing.name}-{target}".lower()).strip("-")
    # Two folders may hold projects of one name, and slugs of two words may be one.
    content = f"{listing.folder}\0{target}".encode()
    digits = hashlib.sha256(content).hexdigest()[:_N_DIGITS]
    return Job(
        id=f"{slug[:_LONGEST_SLUG]}-{digits}",
        name=f"{listing.name} {where}{target}",
        project=listing.folder,
        target=target,
    )


def _is_printable(folder: str) -> bool:
    # `${{` would begin an expression of GitHub's, wherever the name is written.
    return folder.isprintable() and "${{" not in folder


def _bad_name(folder: str) -> Diagnostic:
    return Diagnostic(
        code="matrix.folder-name",
        message=f"the project's folder {folder!a} has a name that no CI can hold",
        hint="name it in UTF-8, on one line, without ${{",
    )
