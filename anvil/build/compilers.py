"""The environment in which each kind of toolchain runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anvil.core.target import Toolchain

# `{tool_cache}`: Zig builds its runtime library at a first link, and keeps it there.
_ZIG = (("ZIG_GLOBAL_CACHE_DIR", "{tool_cache}"), ("ZIG_LOCAL_CACHE_DIR", "{tool_cache}"))
# Where Debian puts its programs. Only the root file system's are ever called.
_GCC = (("PATH", "/usr/bin:/bin"),)
_ENVIRONMENTS = {"zig": _ZIG, "gcc": _GCC}


def environment_of(toolchain: Toolchain) -> tuple[tuple[str, str], ...]:
    """The variables that an action needs for its compiler's sake, sorted."""
    return _ENVIRONMENTS[toolchain.kind]
