"""anvil targets: the list, or one in full."""

from __future__ import annotations

import dataclasses
import difflib
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode
from anvil.pipeline.events import Outcome, TargetOutcome
from anvil.pipeline.load import all_targets

if TYPE_CHECKING:
    from pathlib import Path

    from anvil.config.profiles import TargetListing
    from anvil.core.target import Target


def list_targets(project: Path, name: str | None) -> Outcome:
    """Every target, the broken ones with what is wrong; or one. An unknown one is exit 2."""
    if not project.is_dir():
        raise AnvilError(
            Diagnostic(
                code="config.unreadable",
                message=f"there is no folder {project}",
                hint="name the project's folder with --project",
            )
        )
    listings = all_targets(project).listings
    if name is None:
        return Outcome(targets=tuple(map(_row, listings)))
    listing = next((one for one in listings if one.name == name), None)
    if listing is None:
        names = [one.name for one in listings]
        near = difflib.get_close_matches(name, names, n=1)
        raise AnvilError(
            Diagnostic(
                code="config.unknown-target",
                message=f"there is no target {name!r}; there is {', '.join(names)}",
                hint=f"did you mean {near[0]!r}?" if near else "add targets/boards/NAME.yaml",
            )
        )
    row = _row(listing)
    if listing.target is None:
        return Outcome(targets=(row,))
    values = _plain(listing.target)
    return Outcome(
        targets=(dataclasses.replace(row, details={**row.details, "profile": values}),),
        text=tuple(_lines(values)),
    )


def _row(listing: TargetListing) -> TargetOutcome:
    target = listing.target
    if target is None:
        return TargetOutcome(
            target=listing.name,
            status="invalid",
            exit_code=ExitCode.BAD_INPUT,
            diagnostics=listing.diagnostics,
            details={"file": listing.file},
        )
    return TargetOutcome(
        target=target.name,
        status="available",
        exit_code=ExitCode.DONE,
        details={
            "board": target.board,
            "core": target.core.name,
            "toolchain": target.toolchain.name,
            "build": target.build,
            "emulator": target.emulator.kind,
            "file": listing.file,
        },
        note=f"{target.board}; {target.core.name}, {target.build}, {target.emulator.kind}",
    )


def _plain(target: Target) -> dict[str, Any]:
    values: dict[str, Any] = dataclasses.asdict(target)
    return values


def _lines(values: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        elif isinstance(value, tuple):
            lines.append(f"{indent}{key}: {' '.join(map(str, value)) or 'none'}")
        elif value is not None:
            name, text = _readable(key, value)
            lines.append(f"{indent}{name}: {text}")
    return lines


def _readable(key: str, value: object) -> tuple[str, str]:
    """A field as its profile writes it: addresses in hex, sizes and clocks with units.

    >>> _readable("size_bytes", 1048576)
    ('size', '1 MiB')
    """
    if isinstance(value, int):
        if key in {"origin", "base"}:
            return key, f"0x{value:08x}"
        if key.endswith("_bytes"):
            return key.removesuffix("_bytes"), _scaled(value, 1024, ("B", "KiB", "MiB", "GiB"))
        if key.endswith("_hz"):
            return key.removesuffix("_hz"), _scaled(value, 1000, ("Hz", "kHz", "MHz", "GHz"))
        if key.endswith("_pin"):
            return key.removesuffix("_pin"), f"P{value // 32}.{value % 32:02}"
    return key, str(value)


def _scaled(value: int, step: int, units: tuple[str, ...]) -> str:
    """The largest unit in which `value` is a whole number."""
    index = 0
    while index + 1 < len(units) and value and value % step == 0:
        value //= step
        index += 1
    return f"{value} {units[index]}"
