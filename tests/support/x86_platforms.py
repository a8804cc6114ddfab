"""One binary's ways through the kernels for x86-64, each on a platform that takes it."""

from __future__ import annotations

from dataclasses import replace

from tests.support.platforms import PLATFORMS, X86_ADDRESSES

_NATIVE = next(platform for platform in PLATFORMS if platform.name == "x86-64")
X86_AVX2 = replace(_NATIVE, name="x86-64-avx2", compile_flags=("-DANVIL_X86_MOST_LEVEL=1",))
# What this processor has, AVX2 alone, what it has up to AVX-VNNI (its level is 2); and with every
# access watched all that it has, and AVX2 alone, whose windows take twice the scratch.
X86_PLATFORMS = (
    *(platform for platform in PLATFORMS if platform.core == "x86-64"),
    replace(_NATIVE, name="x86-64-avxvnni", compile_flags=("-DANVIL_X86_MOST_LEVEL=2",)),
    X86_ADDRESSES,
    replace(
        X86_ADDRESSES,
        name="x86-64-addresses-avx2",
        compile_flags=(*X86_ADDRESSES.compile_flags, "-DANVIL_X86_MOST_LEVEL=1"),
    ),
)
