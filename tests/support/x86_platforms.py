"""One binary's ways through the kernels for x86-64, each on a platform that takes it."""

from __future__ import annotations

from dataclasses import replace

from tests.support.platforms import PLATFORMS, X86_ADDRESSES

_NATIVE = next(platform for platform in PLATFORMS if platform.name == "x86-64")
# What this processor has, AVX2 alone, what it has up to AVX-VNNI (its level is 2), and all that it
# has with every access watched.
X86_PLATFORMS = (
    *(platform for platform in PLATFORMS if platform.core == "x86-64"),
    replace(_NATIVE, name="x86-64-avxvnni", compile_flags=("-DANVIL_X86_MOST_LEVEL=2",)),
    X86_ADDRESSES,
)
