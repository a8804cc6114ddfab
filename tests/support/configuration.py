"""Configurations for tests: the built-in profiles, and what is put beside or over them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from anvil.config.profiles import SourceFile
from anvil.config.project import LoadedProject, load_project
from anvil.config.schemas import Schemas
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from anvil.core.diagnostics import Diagnostic

VALID = """\
version: 1
name: digits
model: models/digits.tflite
targets:
  nrf52840: {}
  rpi4:
  browser: {}
"""


def root_of(folder: Path, display: str) -> dict[str, SourceFile]:
    """The files of a targets/ folder, as the pipeline reads them."""
    return {
        path.relative_to(folder).as_posix(): SourceFile(
            file=f"{display}/{path.relative_to(folder).as_posix()}", content=path.read_bytes()
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@functools.cache
def built_in() -> Mapping[str, SourceFile]:
    return root_of(ROOT / "targets", "targets")


@functools.cache
def schemas() -> Schemas:
    return Schemas.from_files({p.name: p.read_bytes() for p in (ROOT / "schemas").iterdir()})


def own_root(profiles: Mapping[str, str]) -> dict[str, SourceFile]:
    """A project's own profiles from their texts by path."""
    return {
        path: SourceFile(file=f"own/{path}", content=text.encode())
        for path, text in profiles.items()
    }


def load(
    text: str = VALID,
    *,
    profiles: Mapping[str, str] | None = None,
    targets: Sequence[str] | None = None,
    memo: Mapping[str, Any] | None = None,
    file: str = "anvil.yaml",
) -> LoadedProject:
    """What stage 1 makes of an anvil.yaml, with profiles of the project's own."""
    return load_project(
        SourceFile(file=file, content=text.encode()),
        roots=[own_root(profiles or {}), built_in()],
        schemas=schemas(),
        targets=targets,
        memo=memo,
    )


def as_text(diagnostics: Iterable[Diagnostic]) -> str:
    """Every field of every diagnostic, as tests compare them."""
    lines = []
    for diagnostic in diagnostics:
        place = diagnostic.location or "command line"
        lines.append(f"{place}: {diagnostic.severity.value}: {diagnostic.message}")
        lines.append(f"    code: {diagnostic.code}")
        if diagnostic.path is not None:
            lines.append(f"    path: {diagnostic.path}")
        if diagnostic.hint is not None:
            lines.append(f"    hint: {diagnostic.hint}")
    return "".join(f"{line}\n" for line in lines)
