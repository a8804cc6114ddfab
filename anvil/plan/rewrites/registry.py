"""The functions behind the rewrites' names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

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

# Changes the draft and returns the number of sites that it changed.
Apply = Callable[[Draft, Mapping[str, OperatorDefinition]], int]

FUNCTIONS: Mapping[str, Apply] = MappingProxyType(
    {
        "unused": unused.apply,
        "constants": constants.apply,
        "chains": chains.apply,
        "common": common.apply,
        "pad": pad.apply,
        "activations": activations.apply,
        "tables": tables.apply,
        "dead_channels": dead_channels.apply,
    }
)
