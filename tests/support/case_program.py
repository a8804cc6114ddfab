"""The program in C that runs kernels on cases and writes their outputs.

Each output lies between two guards, and a kernel that writes beside its output is seen.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.core.tensor import DType
from anvil.ops.arrays import numpy_dtype
from anvil.plan.expressions import evaluate
from anvil.plan.layouts.packing import packed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anvil.core.plan import KernelCall, Variant
    from tests.support.kernel_harness import Case

    # A case, and each of its calls with the kernel that runs it.
    Run = tuple[Case, list[tuple[KernelCall, Variant]]]

_GUARD_BYTES = 16


def cases_source(runs: Sequence[Run]) -> str:
    """For each run a byte, 1 where the guards hold, and the outputs."""
    headers = sorted({header for _, c in runs for _, v in c for header in v.prototypes})
    lines = [
        "#include <stdbool.h>",
        "#include <stdint.h>",
        '#include "platform.h"',
        *(f'#include "{header}"' for header in headers),
        "",
        "static int guards_hold(const uint8_t *before, const uint8_t *after) {",
        "  int hold = 1;",
        f"  for (int i = 0; i < {_GUARD_BYTES}; ++i) {{",
        "    hold &= before[i] == 0xA5 && after[i] == 0xA5;",
        "  }",
        "  return hold;",
        "}",
        "",
        "static void set_guards(uint8_t *before, uint8_t *after) {",
        f"  for (int i = 0; i < {_GUARD_BYTES}; ++i) {{",
        "    before[i] = 0xA5;",
        "    after[i] = 0xA5;",
        "  }",
        "}",
    ]
    for number, (case, calls) in enumerate(runs):
        lines += ["", *_run_source(f"run{number}", case, calls)]
    lines += ["", "void run_cases(void) {"]
    lines += [f"  run{number}();" for number in range(len(runs))]
    return "\n".join([*lines, "}", ""])


def _run_source(name: str, case: Case, calls: Sequence[tuple[KernelCall, Variant]]) -> list[str]:
    tensors = case.graph.tensors
    lines: list[str] = []
    names: dict[int, str] = {}
    values = case.values
    for index in sorted({index for call, _ in calls for index in call.inputs} & values.keys()):
        names[index] = f"{name}_tensor{index}"
        lines += c_array(names[index], tensors[index].dtype, values[index].tobytes())
    written = sorted({index for call, _ in calls for index in call.outputs})
    for index in written:
        tensor = tensors[index]
        names[index] = f"{name}_tensor{index}.data"
        # The type is that of one element; an empty tensor still needs an address.
        lines += [
            "static struct {",
            f"  uint8_t before[{_GUARD_BYTES}];",
            f"  {tensor.dtype.c_type} data[{max(1, tensor.n_elements)}];",
            f"  uint8_t after[{_GUARD_BYTES}];",
            f"}} {name}_tensor{index} __attribute__((aligned(16)));",
        ]
    body: list[str] = []
    for number, (lowered, variant) in enumerate(calls):
        prefix = f"{name}_call{number}"
        call = packed(variant, lowered)
        fields = "".join(f"  .{field} = {c_literal(value)},\n" for field, value in call.parameters)
        lines += [f"static const {variant.struct} {prefix}_parameters = {{\n{fields}}};"]
        for constant in call.constants:
            lines += c_array(f"{prefix}_{constant.name}", constant.dtype, constant.data)
        arguments = [f"&{prefix}_parameters"]
        arguments += [names[index] for index in call.inputs]
        arguments += [f"{prefix}_{constant.name}" for constant in call.constants]
        arguments += [names[index] for index in call.outputs]
        scratch_bytes = int(evaluate(variant.scratch_bytes, dict(lowered.parameters)))
        if variant.takes_scratch:
            size = max(1, scratch_bytes)
            lines += [f"static uint8_t {prefix}_scratch[{size}] __attribute__((aligned(16)));"]
            arguments.append(f"{prefix}_scratch")
        body.append(f"  {variant.symbol}({', '.join(arguments)});")
    guards = [
        f"{name}_tensor{index}.before, (uint8_t *)&{name}_tensor{index}.data"
        f"[{tensors[index].n_elements}]"
        for index in written
    ]
    return [
        *lines,
        f"static void {name}(void) {{",
        "  uint8_t hold = 1;",
        *(f"  set_guards({guard});" for guard in guards),
        *body,
        *(f"  hold &= (uint8_t)guards_hold({guard});" for guard in guards),
        "  platform_write(&hold, 1);",
        *(
            f"  platform_write({names[index]}, {tensors[index].n_bytes});"
            for index in case.op.outputs
        ),
        "}",
    ]


def c_array(name: str, dtype: DType, data: bytes) -> list[str]:
    """The definition of a constant array."""
    # Kernels take a half-precision number as its bits.
    stored = "<u2" if dtype is DType.FLOAT16 else numpy_dtype(dtype)
    values = np.frombuffer(data, stored).tolist() or [0]
    literal = float.hex if dtype is DType.FLOAT64 else c_literal
    listed = [literal(value) for value in values]
    lines = [", ".join(listed[start : start + 20]) for start in range(0, len(listed), 20)]
    return [
        f"static const {dtype.c_type} {name}[] __attribute__((aligned(16))) = {{",
        ",\n".join(lines),
        "};",
    ]


def c_literal(value: float) -> str:
    """A number, infinite ones and NaN too."""
    if not isinstance(value, int):
        if math.isnan(value):
            return '__builtin_nanf("")'
        if math.isinf(value):
            return "__builtin_inff()" if value > 0 else "-__builtin_inff()"
        return f"{value.hex()}f"
    # -2147483648 is a unary minus on a number that does not fit an int.
    if value in {-(2**31), -(2**63)}:
        return f"({value + 1} - 1)"
    return str(int(value))
