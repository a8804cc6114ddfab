"""Checks that the device's program and the emulator's contain one identical library.

What the emulator proves holds for the device only if both run the same code: the two
archives have to be equal byte for byte, and every function and constant of the archive that
a program contains has to equal the archive's, apart from the words that the linker fills in
with addresses.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from anvil.core.diagnostics import AnvilError, Diagnostic, ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAGIC = b"!<arch>\n"
_HEADER_BYTES = 60
_SHF_ALLOC = 0x2
_THUMB_BIT = 1
# Bytes that a relocation changes, where it is not a word, of those that compilers emit for these
# cores: ELF for the Arm Architecture; RISC-V ABIs Specification.
_WIDTHS = {
    "EM_ARM": {0: 0, 102: 2, 103: 2},  # R_ARM_NONE, R_ARM_THM_JUMP11, R_ARM_THM_JUMP8
    # R_RISCV_NONE; CALL and CALL_PLT, of two instructions; RVC_BRANCH, RVC_JUMP and RVC_LUI
    "EM_RISCV": {0: 0, 18: 8, 19: 8, 44: 2, 45: 2, 46: 2},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Definition:
    """A function or object: its bytes (None where they are zeros) and which of them move."""

    name: str
    n_bytes: int
    content: bytes | None
    relocated: frozenset[int] = frozenset()

    def equals(self, linked: _Definition) -> bool:
        """Whether `linked` is this after linking."""
        if self.n_bytes != linked.n_bytes or (self.content is None) != (linked.content is None):
            return False
        if self.content is None or linked.content is None or self.content == linked.content:
            return True
        return bool(self.relocated) and all(
            ours == theirs or index in self.relocated
            for index, (ours, theirs) in enumerate(zip(self.content, linked.content, strict=True))
        )


def check(folder: Path, name: str, target: str) -> int:
    """How many functions and objects of libNAME.a are in both programs of build/<target>.

    AnvilError, exit 1: `verify.library`, with everything that differs. Missing files raise
    OSError.
    """
    archive = (folder / f"lib{name}.a").read_bytes()
    problems = []
    if (folder / "emulator" / f"lib{name}.a").read_bytes() != archive:
        problems.append(f"lib{name}.a and emulator/lib{name}.a are not the same bytes")
    found = []
    for program in (f"{name}.elf", f"emulator/{name}.elf"):
        names, differing = compare(archive, (folder / program).read_bytes())
        found.append(names)
        problems += [f"{program}: {what} is not the one of lib{name}.a" for what in differing]
        if f"{name}_run" not in names:
            problems.append(f"{program}: {name}_run of lib{name}.a is not in it")
    problems += [
        f"{what} of lib{name}.a is in only one of {name}.elf and emulator/{name}.elf"
        for what in sorted(found[0] ^ found[1])
    ]
    if problems:
        raise AnvilError(
            *(
                Diagnostic(
                    code="verify.library",
                    message=f"{target}: {problem}",
                    hint=f"build again: anvil clean, anvil build --target {target}",
                )
                for problem in problems
            ),
            exit_code=ExitCode.FAILED,
        )
    return len(found[0])


def compare(archive: bytes, program: bytes) -> tuple[frozenset[str], tuple[str, ...]]:
    """The archive's functions and objects that `program` has, and those that differ."""
    linked: dict[str, list[_Definition]] = {}
    for definition in _definitions(program):
        linked.setdefault(definition.name, []).append(definition)
    present: set[str] = set()
    differing = []
    for member in _members(archive):
        for definition in _definitions(member):
            candidates = linked.get(definition.name, [])
            if not candidates:
                continue
            present.add(definition.name)
            # Static functions of several files may share a name.
            if not any(definition.equals(candidate) for candidate in candidates):
                differing.append(definition.name)
    return frozenset(present), tuple(sorted(differing))


def _members(archive: bytes) -> Iterator[bytes]:
    """The object files of an ar archive."""
    if not archive.startswith(_MAGIC):
        msg = "an archive starts with !<arch>"
        raise ValueError(msg)
    position = len(_MAGIC)
    while position + _HEADER_BYTES <= len(archive):
        header = archive[position : position + _HEADER_BYTES]
        size = int(header[48:58])
        start = position + _HEADER_BYTES
        # "/" is the index and "//" the long names.
        if header[:16].rstrip() not in {b"/", b"//"}:
            yield archive[start : start + size]
        position = start + size + size % 2


def _definitions(content: bytes) -> Iterator[_Definition]:
    """The functions and objects with a size of an object file or a program."""
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415  only where a build is verified

    elf: Any = ELFFile(io.BytesIO(content))
    symbols = elf.get_section_by_name(".symtab")
    if symbols is None:
        return
    is_object = elf["e_type"] == "ET_REL"
    contents: dict[int, bytes] = {}
    for symbol in symbols.iter_symbols():
        kind = symbol["st_info"]["type"]
        index = symbol["st_shndx"]
        if kind not in {"STT_FUNC", "STT_OBJECT"} or not isinstance(index, int):
            continue
        section = elf.get_section(index)
        n_bytes = symbol["st_size"]
        if not section["sh_flags"] & _SHF_ALLOC or n_bytes == 0:
            continue
        address = symbol["st_value"] & ~_THUMB_BIT if kind == "STT_FUNC" else symbol["st_value"]
        offset = address if is_object else address - section["sh_addr"]
        data = None
        if section["sh_type"] != "SHT_NOBITS":
            if index not in contents:
                contents[index] = section.data()
            data = contents[index][offset : offset + n_bytes]
        yield _Definition(
            name=symbol.name,
            n_bytes=n_bytes,
            content=data,
            relocated=_relocated(elf, section, offset, n_bytes) if is_object else frozenset(),
        )


def _relocated(elf: Any, section: Any, start: int, n_bytes: int) -> frozenset[int]:  # noqa: ANN401  pyelftools has no types
    """The bytes of a definition, counted from its start, that the linker changes."""
    relocations = elf.get_section_by_name(f".rel{section.name}")
    relocations = relocations or elf.get_section_by_name(f".rela{section.name}")
    if relocations is None:
        return frozenset()
    widths = _WIDTHS.get(elf["e_machine"], {})
    changed: set[int] = set()
    for relocation in relocations.iter_relocations():
        width = widths.get(relocation["r_info_type"], 4)
        first = relocation["r_offset"] - start
        changed.update(range(max(first, 0), min(first + width, n_bytes)))
    return frozenset(changed)
