"""The stack of functions that align theirs, of which the record tells only what lies above."""

from __future__ import annotations

import re

# and %rsp, then sub %rsp, each with a constant of 8 or 32 bits; GCC and clang have nothing between.
_ALIGNED = re.compile(
    rb"(?:\x48\x83\xe4(?P<mask_8>.)|\x48\x81\xe4(?P<mask_32>.{4}))"
    rb"(?:\x48\x83\xec(?P<size_8>.)|\x48\x81\xec(?P<size_32>.{4}))",
    re.DOTALL,
)


def aligned_bytes(code: bytes) -> int:
    """A bound of what x86-64 code takes at once when it aligns its stack; 0 if it does not."""
    found = _ALIGNED.search(code)
    if found is None:
        return 0
    mask = found["mask_8"] or found["mask_32"]
    alignment = -int.from_bytes(mask, "little", signed=True)
    return alignment - 1 + int.from_bytes(found["size_8"] or found["size_32"], "little")
