"""Exact rewrites of graphs: their names, in the order in which they are tried.

Here, and not beside the functions, because the command line names them without NumPy.
"""

from collections.abc import Mapping
from types import MappingProxyType

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
