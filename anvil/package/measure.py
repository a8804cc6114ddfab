"""measured.json: what the built artifact turned out to be."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.fit import Misfit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.core.target import Requirements, Target

_SHF_WRITE = 0x1
_SHF_ALLOC = 0x2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of a built program; None where its format does not say."""

    code: int | None  # everything in flash, or in the file's loaded part, but the weights
    total_flash: int | None
    data: int | None
    bss: int | None  # without arena and stack


def measured_document(target: Target, plan: Mapping[str, Any], program: bytes) -> dict[str, Any]:
    """The contents of measured.json, with the errors of the plan's predictions.

    program: the device's ELF file or the .wasm; plan: plan.json's contents.
    """
    arena_bytes = plan["arena_bytes"]
    weight_bytes = plan["flash_bytes"]["weights"]
    if program.startswith(b"\x7fELF"):
        sizes = _elf_sizes(program, arena_bytes, weight_bytes, target.stack_bytes or 0)
    else:
        sizes = Sizes(
            code=len(program) - weight_bytes, total_flash=len(program), data=None, bss=None
        )
    parts = (arena_bytes, sizes.data, sizes.bss, target.stack_bytes)
    return {
        "format": 1,
        "name": plan["name"],
        "target": target.name,
        "arena_bytes": arena_bytes,
        "ram_bytes": {
            "arena": arena_bytes,
            "data": sizes.data,
            "bss": sizes.bss,
            "stack": target.stack_bytes,
            "total": None if None in parts else sum(p for p in parts if p is not None),
        },
        "flash_bytes": {
            "code": sizes.code,
            "weights": weight_bytes,
            "total": sizes.total_flash,
        },
        "instructions": None,
        "cycles": None,
        "latency_s": None,
        "error": {
            "arena_bytes": arena_bytes / plan["arena_bytes"] - 1,
            "ram_bytes": None,
            "flash_bytes": None,
            "instructions": None,
        },
    }


def oversize(
    target: Target, requirements: Requirements, measured: Mapping[str, Any]
) -> tuple[Misfit, ...]:
    """One misfit for each memory or requirement that the built program exceeds."""
    ram_bytes = measured["ram_bytes"]["total"] or measured["arena_bytes"]
    flash_bytes = measured["flash_bytes"]["total"]
    checks = [
        ("board.ram", ram_bytes, target.ram.size_bytes if target.ram else None),
        ("max_ram", ram_bytes, requirements.max_ram_bytes),
        ("board.flash", flash_bytes, target.flash.size_bytes if target.flash else None),
        ("max_flash", flash_bytes, requirements.max_flash_bytes),
    ]
    return tuple(
        Misfit(
            target=target.name,
            what=what,
            subject="the built program",
            value=needed,
            limit=limit,
            unit="B",
        )
        for what, needed, limit in checks
        if limit is not None and needed > limit
    )


def _elf_sizes(program: bytes, arena_bytes: int, weight_bytes: int, stack_reserved: int) -> Sizes:
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415  only after a compile

    constant = data = bss = 0
    for section in ELFFile(io.BytesIO(program)).iter_sections():
        flags, size = section["sh_flags"], section["sh_size"]
        if not flags & _SHF_ALLOC:
            continue
        if section["sh_type"] == "SHT_NOBITS":
            bss += size
        elif flags & _SHF_WRITE:
            data += size
        else:
            constant += size
    total_flash = constant + data
    return Sizes(
        code=total_flash - weight_bytes,
        total_flash=total_flash,
        data=data,
        bss=bss - arena_bytes - stack_reserved,
    )
