"""The functions of a built program and their sizes."""

from __future__ import annotations

import io


def function_sizes(program: bytes) -> dict[str, int] | None:
    """Bytes of each function of an ELF program by symbol, sorted; None for other formats.

    Two functions of one name, as static ones may be, count together.
    """
    if not program.startswith(b"\x7fELF"):
        return None
    # Only where there is a program.
    from elftools.elf.elffile import ELFFile  # noqa: PLC0415
    from elftools.elf.sections import SymbolTableSection  # noqa: PLC0415

    table = ELFFile(io.BytesIO(program)).get_section_by_name(".symtab")
    if not isinstance(table, SymbolTableSection):
        return None
    sizes: dict[str, int] = {}
    for symbol in table.iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]:
            sizes[symbol.name] = sizes.get(symbol.name, 0) + symbol["st_size"]
    return dict(sorted(sizes.items()))
