"""Dead code: operators whose outputs nothing reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anvil.ops.definition import OperatorDefinition
    from anvil.plan.rewrites.draft import Draft


def apply(draft: Draft, _definitions: Mapping[str, OperatorDefinition]) -> int:
    """Remove them, from the end, so that what only they read goes too."""
    before = len(draft.ops)
    for op in reversed(tuple(draft.ops)):
        if op in draft.ops:
            draft.release(op.outputs[0])
    return before - len(draft.ops)
