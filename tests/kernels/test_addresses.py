"""No kernel for x86-64 touches what lies beside its arrays: GCC's sanitizers watch each access.

The cases are those of the operators' own tests. Kernels with blocks are watched around these, too,
where tests run on tests/support/x86_platforms.py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from tests.support.compiled_program import program_output
from tests.support.kernel_harness import check_kernels
from tests.support.platforms import X86_ADDRESSES

if TYPE_CHECKING:
    from pathlib import Path

_OPERATORS = (
    "add", "concatenation", "conv_2d", "depthwise_conv_2d", "fully_connected", "lookup", "mean",
    "mul", "pad", "pools", "quantize", "softmax",
)  # fmt: skip
_BESIDE = """
#include <stdint.h>
#include "platform.h"
static uint8_t values[4];
void run_cases(void) {
  const uint8_t *volatile first = values;
  platform_write(first + %d, 1);
}
"""


@pytest.mark.parametrize("operator", _OPERATORS)
def test_kernels_stay_within_their_arrays(operator: str, tmp_path: Path) -> None:
    cases = import_module(f"tests.kernels.test_{operator}").CASES
    check_kernels(X86_ADDRESSES, cases, tmp_path)


def test_an_access_beside_an_array_would_be_seen(tmp_path: Path) -> None:
    assert program_output(X86_ADDRESSES, _BESIDE % 3, tmp_path) == b"\0"
    with pytest.raises(AssertionError, match="global-buffer-overflow"):
        program_output(X86_ADDRESSES, _BESIDE % 4, tmp_path)
