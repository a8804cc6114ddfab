"""All target profiles, for those who want to see them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.config.board import resolve_target
from anvil.config.library import ProfileLibrary, ProfileRoot
from anvil.config.reading import SourceFile
from anvil.core.diagnostics import AnvilError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from anvil.config.schemas import Schemas
    from anvil.core.diagnostics import Diagnostic
    from anvil.core.target import Target

# What the pipeline needs to hand profiles in stands beside what it gets out.
__all__ = ["LoadedTargets", "ProfileRoot", "SourceFile", "TargetListing", "load_targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetListing:
    """One profile under boards/: its target, or why it has none."""

    name: str
    file: str
    target: Target | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedTargets:
    """Every profile under boards/, by name, and what to give as `memo` next time."""

    listings: tuple[TargetListing, ...]
    memo: Mapping[str, Any]


def load_targets(
    roots: Sequence[ProfileRoot],
    *,
    schemas: Schemas,
    memo: Mapping[str, Any] | None = None,
) -> LoadedTargets:
    """All targets with their default toolchains, the broken ones with what is wrong."""
    library = ProfileLibrary(roots=tuple(roots), schemas=schemas, known=memo or {})
    listings = []
    for name in library.names("boards"):
        target, diagnostics = _attempt(library, name)
        listings.append(
            TargetListing(
                name=name,
                file=library.file_of(f"boards/{name}"),
                target=target,
                diagnostics=diagnostics,
            )
        )
    return LoadedTargets(listings=tuple(listings), memo=library.memo())


def _attempt(library: ProfileLibrary, name: str) -> tuple[Target | None, tuple[Diagnostic, ...]]:
    try:
        return resolve_target(library, name), ()
    except AnvilError as error:
        return None, error.diagnostics
