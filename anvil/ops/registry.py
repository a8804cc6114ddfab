"""Every operator that Anvil knows, by TFLite's builtin name."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.ops.definition import OperatorDefinition

_MODULES: tuple[OperatorDefinition, ...] = ()

DEFINITIONS: Mapping[str, OperatorDefinition] = MappingProxyType(
    {definition.kind: definition for definition in _MODULES}
)
