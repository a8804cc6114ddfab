"""Every rewrite, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anvil.ops.definition import OperatorDefinition
from anvil.plan.rewrites import (
    activations,
    chains,
    common,
    constants,
    dead_channels,
    pad,
    tables,
    unused,
)
from anvil.plan.rewrites.draft import Draft


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """One kind of rewrite."""

    name: str  # what --no-rewrite takes
    description: str  # one line, for help and errors
    apply: Callable[[Draft, Mapping[str, OperatorDefinition]], int]  # the number of sites changed


REWRITES = (
    Rewrite(
        name="unused",
        description="operators whose outputs nothing reads are removed",
        apply=unused.apply,
    ),
    Rewrite(
        name="constants",
        description="operators that read constants alone are computed at build time",
        apply=constants.apply,
    ),
    Rewrite(
        name="chains",
        description="reshapes of reshapes and operators that change nothing are removed",
        apply=chains.apply,
    ),
    Rewrite(
        name="common",
        description="operators that compute the same from the same are computed once",
        apply=common.apply,
    ),
    Rewrite(
        name="pad",
        description="PAD becomes the border of the convolutions or max pools that read it",
        apply=pad.apply,
    ),
    Rewrite(
        name="activations",
        description="RELU and RELU6 become the clamp of the operator before",
        apply=activations.apply,
    ),
    Rewrite(
        name="tables",
        description="chains of functions of one int8 tensor become one table of 256 results",
        apply=tables.apply,
    ),
    Rewrite(
        name="dead_channels",
        description="channels that nothing reads or that never change are removed",
        apply=dead_channels.apply,
    ),
)
NAMES: tuple[str, ...] = tuple(rewrite.name for rewrite in REWRITES)
DESCRIPTIONS: Mapping[str, str] = {rewrite.name: rewrite.description for rewrite in REWRITES}
