"""Bytes of code and stack of single kernels: each is compiled and linked by itself."""

from __future__ import annotations

import io
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from elftools.dwarf.callframe import FDE
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from anvil import process
from anvil.build.tools import find_tools
from anvil.cache.location import user_store
from anvil.package.wasm_module import module_memory, sections, unsigned
from benchmarks.costs.measure import data
from benchmarks.costs.thumb_frames import frame_bytes
from benchmarks.costs.x86_frames import aligned_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from anvil.core.plan import Variant
    from anvil.core.target import Target

_TIMEOUT_S = 600.0
_ALLOC, _EXECUTE = 0x2, 0x4
_WASM_FRAME_BYTES = 1024  # allowed for each function: its frames are on no record


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function of a linked file."""

    name: str
    address: int
    code_bytes: int
    frame_bytes: int  # of the stack, the return address included where it is pushed


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelSize:
    """What one kernel adds to a program, and the helpers that come with it."""

    code_bytes: int
    frame_bytes: int  # of the kernel and its own functions
    helpers: Mapping[str, tuple[int, int]]  # name -> bytes of code and of stack


def kernel_size(target: Target, variant: Variant) -> KernelSize:
    """Compile and link one kernel with the target's flags; nothing else is in the file."""
    kernels = data("kernels")
    toolchain = target.toolchain
    is_wasm = target.core.architecture == "wasm32"
    entry = [f"-Wl,-e,{variant.symbol}"]
    if is_wasm:
        entry = ["-Wl,--no-entry", f"-Wl,--export={variant.symbol}"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in {variant.source, *variant.parts, *variant.headers}:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(kernels[path])
        flags = [*toolchain.core_flags, *toolchain.compile_flags, "-g", "-I."]
        flags += [*toolchain.link_flags, *entry]
        _zig(folder, [*flags, variant.source, *variant.parts, "-o", "linked"])
        linked = (folder / "linked").read_bytes()
    functions = wasm_functions(linked) if is_wasm else elf_functions(linked)
    # Of the two in the file, the kernel's own functions and the runtime library's, only the
    # former are named in its sources. What comes from a part other kernels may share.
    named = _words(kernels[path] for path in (variant.source, *variant.headers))
    shared = _words(kernels[path] for path in variant.parts) - {variant.symbol}
    own = {f.name for f in functions if f.name in named - shared}
    helpers = {f.name: (f.code_bytes, f.frame_bytes) for f in functions if f.name not in own}
    mine = [f for f in functions if f.name in own]
    constants = module_memory(linked).data if is_wasm else _constant_bytes(linked)
    if helpers:  # whose constants nobody can tell from the kernel's
        name = min(helpers)
        helpers[name] = (helpers[name][0] + constants, helpers[name][1])
        constants = 0
    return KernelSize(
        code_bytes=sum(f.code_bytes for f in mine) + constants,
        frame_bytes=sum(f.frame_bytes for f in mine),
        helpers=helpers,
    )


def _words(sources: Iterable[bytes]) -> set[str]:
    return {word for source in sources for word in re.findall(r"\w+", source.decode())}


def _zig(folder: Path, words: list[str]) -> None:
    cache = str(user_store().tool_cache)
    completed = process.run(
        [find_tools().zig, "cc", *words],
        cwd=folder,
        environment={"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache},
        stdin=b"",
        timeout_s=_TIMEOUT_S,
    )
    if completed.returncode != 0:
        raise RuntimeError(completed.stderr.decode(errors="replace"))


def elf_functions(content: bytes) -> list[Function]:
    """The functions of a linked ELF file, aliases once, with the frames on its record.

    What was written in assembly is on none: there the frame is read from the code, as is what
    lies below a stack that is aligned.
    """
    elf = ELFFile(io.BytesIO(content))
    frames: dict[int, int] = {}
    if elf.has_dwarf_info():
        dwarf = elf.get_dwarf_info()
        entries = dwarf.CFI_entries() if dwarf.has_CFI() else []
        for entry in entries:
            if isinstance(entry, FDE):
                frames[entry["initial_location"] & ~1] = _recorded(entry)
    found: dict[int, Function] = {}
    for name, address, n_bytes in _symbols(elf):
        if n_bytes and (address not in found or len(name) < len(found[address].name)):
            found[address] = Function(
                name=name,
                address=address,
                # The next function begins at an address that is even, or of 16 bytes.
                code_bytes=n_bytes,
                frame_bytes=frames.get(address, 0)
                + _unrecorded(elf, address, n_bytes, is_on_record=address in frames),
            )
    return sorted(found.values(), key=lambda f: f.address)


def _recorded(entry: FDE) -> int:
    """From the caller's stack down to its end or to the lowest register that was saved."""
    deepest = 0
    for row in entry.get_decoded().table:
        saved = [rule.arg for key, rule in row.items() if isinstance(key, int) and rule.arg]
        deepest = max(deepest, row["cfa"].offset or 0, *(-offset for offset in saved))
    return deepest


def _unrecorded(elf: ELFFile, address: int, n_bytes: int, *, is_on_record: bool) -> int:
    if elf["e_machine"] == "EM_X86_64":
        return aligned_bytes(_code(elf, address, n_bytes))
    if elf["e_machine"] == "EM_ARM" and not is_on_record:
        return frame_bytes(_code(elf, address, n_bytes))
    return 0


def _code(elf: ELFFile, address: int, n_bytes: int) -> bytes:
    for section in elf.iter_sections():
        first = address - section["sh_addr"]
        if section["sh_flags"] & _EXECUTE and 0 <= first < section["sh_size"]:
            return bytes(section.data()[first : first + n_bytes])
    return b""


def _symbols(elf: ELFFile) -> list[tuple[str, int, int]]:
    table = elf.get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    return [
        (symbol.name, symbol["st_value"] & ~1, symbol["st_size"])
        for symbol in table.iter_symbols()
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF"
    ]


def _constant_bytes(content: bytes) -> int:
    """Bytes of what is loaded and no code; nothing unwinds, so that those tables are left out."""
    return sum(
        section["sh_size"]
        for section in ELFFile(io.BytesIO(content)).iter_sections()
        if section["sh_flags"] & _ALLOC
        and not section["sh_flags"] & _EXECUTE
        and section["sh_type"] == "SHT_PROGBITS"
        and not section.name.startswith((".ARM", ".eh_frame"))
    )


def wasm_functions(content: bytes) -> list[Function]:
    """The functions of a linked module with a name section."""
    names: dict[int, str] = {}
    bodies: list[int] = []
    for kind, section in sections(content):
        if kind == 10:
            count, at = unsigned(section, 0)
            for _ in range(count):
                n_bytes, start = unsigned(section, at)
                at = start + n_bytes
                bodies.append(at - (start - _leb_bytes(n_bytes)))
        elif kind == 0 and section[:5] == b"\x04name":
            names = _wasm_names(section[5:])
    return [
        Function(
            name=names.get(index, f"function {index}"),
            address=index,
            code_bytes=n_bytes,
            frame_bytes=_WASM_FRAME_BYTES,
        )
        for index, n_bytes in enumerate(bodies)
        if names.get(index) != "__wasm_call_ctors"
    ]


def _leb_bytes(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))


def _wasm_names(section: bytes) -> dict[int, str]:
    at = 0
    names: dict[int, str] = {}
    while at < len(section):
        kind = section[at]
        n_bytes, start = unsigned(section, at + 1)
        at = start + n_bytes
        if kind == 1:
            count, here = unsigned(section, start)
            for _ in range(count):
                index, here = unsigned(section, here)
                length, here = unsigned(section, here)
                names[index] = section[here : here + length].decode()
                here += length
    return names
