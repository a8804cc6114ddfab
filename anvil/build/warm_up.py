"""The links that make Zig build its runtime library, as each kind of project asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.target import Target

# Without start-up code WebAssembly has no entry.
_ENTRIES = {"wasm32": ("-Wl,--no-entry",)}


def zig_links(target: Target, flags: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """`Action.warm_up` for a project that links with `flags`; empty for other compilers.

    The library's variant follows from the core and from how far the link optimizes.
    """
    if target.toolchain.kind != "zig":
        return ()
    entry = _ENTRIES.get(target.core.name, ())
    words = ("{zig}", "cc", *target.toolchain.core_flags, *flags, *entry, "start.c", "-o", "out")
    return (words,)
