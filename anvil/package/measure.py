"""measured.json: what the built artifact turned out to be."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.fit import Misfit
from anvil.package.wasm_module import module_memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elftools.elf.elffile import ELFFile

    from anvil.core.target import Requirements, Target

_SHF_WRITE = 0x1
_SHF_ALLOC = 0x2


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bytes of a built program; None where its format does not say."""

    flash: int  # everything in flash, or in the file's loaded part
    arena: int | None
    data: int
    bss: int  # without arena and stack
    stack: int | None  # what is reserved for it


def measured_document(target: Target, plan: Mapping[str, Any], program: bytes) -> dict[str, Any]:
    """The contents of measured.json, with the errors of the plan's predictions.

    program: the device's ELF file or the .wasm; plan: plan.json's contents. Where nothing
    reserves a stack, the plan's bound stands for it.
    """
    weight_bytes = plan["flash_bytes"]["weights"]
    if program.startswith(b"\x7fELF"):
        sizes = _elf_sizes(program, plan["arena_bytes"], target.stack_bytes)
    else:
        sizes = _wasm_sizes(program)
    arena_bytes = plan["arena_bytes"] if sizes.arena is None else sizes.arena
    stack_bytes = plan["ram_bytes"]["stack"] if sizes.stack is None else sizes.stack
    ram_bytes = None
    if stack_bytes is not None:
        ram_bytes = arena_bytes + sizes.data + sizes.bss + stack_bytes
    return {
        "format": 1,
        "name": plan["name"],
        "target": target.name,
        "arena_bytes": arena_bytes,
        "ram_bytes": {
            "arena": arena_bytes,
            "data": sizes.data,
            "bss": sizes.bss,
            "stack": stack_bytes,
            "total": ram_bytes,
        },
        "flash_bytes": {
            "code": sizes.flash - weight_bytes,
            "weights": weight_bytes,
            "total": sizes.flash,
        },
        "instructions": None,
        "cycles": None,
        "latency_s": None,
        "error": {
            "arena_bytes": prediction_error(plan["arena_bytes"], arena_bytes),
            "ram_bytes": prediction_error(plan["ram_bytes"]["total"], ram_bytes),
            "flash_bytes": prediction_error(plan["flash_bytes"]["total"], sizes.flash),
            "instructions": None,
        },
    }


def prediction_error(predicted: float | None, measured: float | None) -> float | None:
    """How far a measurement lies above its prediction, as a fraction of the prediction.

    >>> prediction_error(200, 210), prediction_error(None, 210)
    (0.05, None)
    """
    if not predicted or measured is None:
        return None
    return round(measured / predicted - 1, 6)


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


def _elf_sizes(program: bytes, arena_planned: int, stack_reserved: int | None) -> Sizes:
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415  only after a compile

    elf = ELFFile(io.BytesIO(program))
    constant = data = bss = 0
    for section in elf.iter_sections():
        flags, size = section["sh_flags"], section["sh_size"]
        if not flags & _SHF_ALLOC:
            continue
        if section["sh_type"] == "SHT_NOBITS":
            bss += size
        elif flags & _SHF_WRITE:
            data += size
        else:
            constant += size
    arena = _arena_bytes(elf)
    return Sizes(
        flash=constant + data,
        arena=arena,
        data=data,
        bss=bss - (arena_planned if arena is None else arena) - (stack_reserved or 0),
        stack=stack_reserved,
    )


def _arena_bytes(elf: ELFFile) -> int | None:
    """The size of the one variable that the library calls so, if the file names it."""
    from elftools.elf.sections import SymbolTableSection  # noqa: PLC0415  only after a compile

    table = elf.get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return None
    found = [
        int(symbol["st_size"])
        for symbol in table.get_symbol_by_name("arena") or []
        if symbol["st_info"]["type"] == "STT_OBJECT"
    ]
    return found[0] if len(found) == 1 else None


def _wasm_sizes(program: bytes) -> Sizes:
    memory = module_memory(program)
    return Sizes(flash=len(program), arena=None, data=memory.data, bss=0, stack=memory.stack)
