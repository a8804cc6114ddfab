"""Exact rewrites of graphs: their names, in the order in which they are tried.

Here, and not beside the functions, because the command line names them without NumPy.
"""

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from anvil.core.diagnostics import AnvilError, Diagnostic

# What --no-rewrite takes, each with one line for help and errors.
DESCRIPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "unused": "operators whose outputs nothing reads are removed",
        "constants": "operators that read constants alone are computed at build time",
        "chains": "reshapes of reshapes and operators that change nothing are removed",
        "common": "operators that compute the same from the same are computed once",
        "pad": "PAD becomes the border of the convolutions or max pools that read it",
        "activations": "RELU and RELU6 become the clamp of the operator before",
        "tables": "chains of functions of one int8 tensor become one table of 256 results",
        "dead_channels": "channels that nothing reads or that never change are removed",
    }
)
NAMES: tuple[str, ...] = tuple(DESCRIPTIONS)


def check_names(names: Iterable[str]) -> None:
    """Refuse names that no rewrite has. Raises AnvilError that lists every one."""
    mistakes = []
    for name in dict.fromkeys(names):
        if name not in NAMES:
            near = difflib.get_close_matches(name, NAMES, n=1)
            listed = "; ".join(f"{known}: {what}" for known, what in DESCRIPTIONS.items())
            mistakes.append(
                Diagnostic(
                    code="rewrite.unknown",
                    message=f"no rewrite is named {name!r}; there are {', '.join(NAMES)}",
                    hint=f"did you mean {near[0]!r}?" if near else listed,
                )
            )
    if mistakes:
        raise AnvilError(*mistakes)
