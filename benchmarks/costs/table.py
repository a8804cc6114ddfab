"""The cost table as a file: read for what it knows already, and written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from anvil.plan.costs import flags_digest, table_path
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from anvil.core.target import Target

_HEAD = """# yaml-language-server: $schema=../../schemas/costs.schema.json
# Written by `python -m benchmarks.fit_costs`; do not edit. Sizes are bytes.
"""


def path_of(target: Target) -> Path:
    """The table's file in this checkout."""
    return ROOT / "targets" / table_path(target)


def empty_table(target: Target) -> dict[str, Any]:
    """A table that knows nothing yet."""
    return {
        "core": target.core.name,
        "toolchain": target.toolchain.name,
        "fitted": {
            "package": target.toolchain.package,
            "version": target.toolchain.version,
            "flags": flags_digest(target.toolchain),
        },
        "programs": {},
        "helpers": {},
        "kernels": {},
    }


def read_table(target: Target) -> dict[str, Any]:
    """The table as it is, or an empty one where it is of another compiler or other flags."""
    path = path_of(target)
    empty = empty_table(target)
    if not path.is_file():
        return empty
    table: dict[str, Any] = yaml.safe_load(path.read_bytes())
    same = {**table["fitted"], "machine": None} == {**empty["fitted"], "machine": None}
    return table if same else empty


def write_table(target: Target, table: Mapping[str, Any]) -> None:
    """Write the table; the same values give the same bytes."""
    head = yaml.safe_dump({k: table[k] for k in ("core", "toolchain", "fitted")}, sort_keys=False)
    sections = [
        yaml.safe_dump(
            {section: dict(sorted(table[section].items()))}, sort_keys=False, width=10_000
        )
        for section in ("programs", "helpers", "kernels")
    ]
    lines = [_HEAD, head, *sections]
    path = path_of(target)
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
