"""A call with its parameters and constants as a kernel variant takes them.

Each other module here that has these two functions is a layout, which kernels.yaml names:

    pack(call, options) -> KernelCall      raises NotPackable with the reason where the layer
                                           misses the variant's conditions on its constants
    unpack(packed, options) -> {name: array}   the original constants, since packing loses nothing
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from anvil.core.plan import KernelCall, Variant

    Options = Mapping[str, int | str]

# In the order in which they are listed to whoever names another.
LAYOUTS: tuple[str, ...] = (
    "add_equal",
    "add_vectors",
    "byte_blocks",
    "byte_columns",
    "channel_pairs",
    "depthwise_3x3",
    "depthwise_taps",
    "dot_blocks",
    "dot_rows",
    "equal_shapes",
    "high_blocks",
    "lane_taps",
    "neon_blocks",
    "neon_rows",
    "neon_taps",
    "pair_blocks",
    "plain_rows",
    "tile_taps",
    "wide_add",
    "windows",
    "winograd_blocks",
)
_REMEMBERED = 4096  # layers; a model's bands and targets share them


class NotPackable(ValueError):  # noqa: N818  an answer rather than a mistake
    """Why a layer's constants do not meet a layout's conditions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The two directions of one layout."""

    pack: Callable[[KernelCall, Options], KernelCall]
    unpack: Callable[[KernelCall, Options], dict[str, npt.NDArray[Any]]]


def layout_of(name: str) -> Layout:
    """The layout that kernels.yaml calls `name`, one of LAYOUTS."""
    module = importlib.import_module(f"anvil.plan.layouts.{name}")
    return Layout(pack=module.pack, unpack=module.unpack)


def packed(variant: Variant, call: KernelCall) -> KernelCall:
    """`call` as `variant` takes it. Raises NotPackable where it cannot."""
    if not variant.layout:
        return call
    found = _packed(variant.layout, variant.layout_options, call)
    if isinstance(found, str):
        raise NotPackable(found)
    return found


@lru_cache(maxsize=_REMEMBERED)
def _packed(
    layout: str, options: tuple[tuple[str, int | str], ...], call: KernelCall
) -> KernelCall | str:
    try:
        return layout_of(layout).pack(call, dict(options))
    except NotPackable as refusal:
        return str(refusal)
