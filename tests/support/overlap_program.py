"""Kernels run with their output over an input, beside the same call apart.

    checks = [OverlapCheck(...)]
    for check, (at, nearer) in zip(checks, run_checks(platform, checks, folder)): ...

All checks of one `run_checks` become one program. The inputs are pseudo-random, the same for
every run of one check.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.support.case_program import c_array, c_literal
from tests.support.compiled_program import KERNELS, program_output

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from anvil.core.plan import KernelCall, Variant
    from anvil.core.tensor import Tensor
    from tests.support.platforms import Platform

_ALIGNMENT = 16
_SCRATCH_BYTES = 1 << 16
_SUPPORT = """\
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "platform.h"

static uint8_t apart_in[%(room)d] __attribute__((aligned(16)));
static uint8_t other[%(room)d] __attribute__((aligned(16), unused));
static uint8_t apart_out[2][%(room)d] __attribute__((aligned(16)));
static uint8_t shared[3 * %(room)d] __attribute__((aligned(16)));
static uint8_t scratch[%(scratch)d] __attribute__((aligned(16), unused));
static uint32_t state;

static uint32_t next(void) {
  state = state * 1664525u + 1013904223u;
  return state >> 16;
}

/* Every value of an integer type; of a real one some that are exact. */
static void fill(uint8_t *bytes, size_t n_bytes, int is_real, uint32_t seed) {
  state = seed;
  for (size_t i = 0; i + 4 <= n_bytes && is_real; i += 4) {
    *(float *)(void *)(bytes + i) = (float)((int32_t)(next() & 1023) - 512) / 32.0f;
  }
  for (size_t i = 0; i < n_bytes && !is_real; ++i) {
    bytes[i] = (uint8_t)next();
  }
}

static void set(uint8_t *bytes, size_t n_bytes, uint8_t value) {
  for (size_t i = 0; i < n_bytes; ++i) {
    bytes[i] = value;
  }
}

/* Where two runs over different memory agree, the kernel has written. */
static int same(const uint8_t *output, size_t n_bytes) {
  int is_same = 1;
  for (size_t i = 0; i < n_bytes; ++i) {
    is_same &= apart_out[0][i] != apart_out[1][i] || apart_out[0][i] == output[i];
  }
  return is_same;
}
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverlapCheck:
    """One call whose output lies over tensor `over`, `distance_bytes` below it."""

    name: str
    call: KernelCall  # as the variant takes it
    variant: Variant
    scratch_bytes: int
    tensors: tuple[Tensor, ...]  # that the call's inputs and outputs index
    over: int
    distance_bytes: int

    @property
    def source(self) -> Tensor:
        """The input that is overwritten."""
        return self.tensors[self.over]

    @property
    def output(self) -> Tensor:
        """The output."""
        return self.tensors[self.call.outputs[0]]

    @property
    def nearer_bytes(self) -> int:
        """One element of the input nearer: the lowest byte of a real number hardly matters."""
        return self.distance_bytes - self.source.dtype.n_bytes


def run_checks(
    platform: Platform, checks: Sequence[OverlapCheck], folder: Path
) -> list[tuple[bool, bool]]:
    """For each check, whether the output is right at the distance, and one element nearer."""
    sources = sorted({str(KERNELS / path) for c in checks for path in _sources(c.variant)})
    flags = program_output(platform, _source(checks), folder, sources=sources)
    assert len(flags) == 2 * len(checks)
    return [(bool(flags[2 * n]), bool(flags[2 * n + 1])) for n in range(len(checks))]


def _sources(variant: Variant) -> tuple[str, ...]:
    return (variant.source, *variant.parts)


def _source(checks: Sequence[OverlapCheck]) -> str:
    room = max(
        tensor.n_bytes
        for check in checks
        for tensor in (*(check.tensors[i] for i in check.call.inputs), check.output)
    )
    headers = sorted({f'#include "{path}"' for c in checks for path in c.variant.prototypes})
    values = {"room": -(-room // _ALIGNMENT) * _ALIGNMENT + _ALIGNMENT, "scratch": _SCRATCH_BYTES}
    lines = [_SUPPORT % values, *headers]
    for number, check in enumerate(checks):
        lines += ["", *_check_source(f"check{number}", check, values["room"])]
    lines += ["", "void run_cases(void) {"]
    lines += [f"  check{number}();" for number in range(len(checks))]
    return "\n".join([*lines, "}", ""])


def _check_source(name: str, check: OverlapCheck, room: int) -> list[str]:
    call = check.call
    assert check.scratch_bytes <= _SCRATCH_BYTES, check.name
    fields = "".join(f"  .{field} = {c_literal(value)},\n" for field, value in call.parameters)
    lines = [f"static const {check.variant.struct} {name}_parameters = {{\n{fields}}};"]
    for constant in call.constants:
        lines += c_array(f"{name}_{constant.name}", constant.dtype, constant.data)
    arguments = [f"&{name}_parameters"]
    prepared = []
    for index in call.inputs:
        tensor = check.tensors[index]
        c_type = f"const {tensor.dtype.c_type} *"
        if index == check.over:
            arguments.append(f"({c_type})(const void *)in")
        elif tensor.data is not None:
            # One constant may be given twice.
            array = f"{name}_tensor{index}"
            lines += c_array(array, tensor.dtype, tensor.data) if array not in arguments else []
            arguments.append(array)
        else:
            is_real = int(tensor.dtype.value.startswith("float"))
            prepared.append(f"  fill(other, {tensor.n_bytes}, {is_real}, 77u);")
            arguments.append(f"({c_type})(const void *)other")
    arguments += [f"{name}_{constant.name}" for constant in call.constants]
    arguments.append(f"({check.output.dtype.c_type} *)(void *)out")
    if check.variant.takes_scratch:
        arguments.append("scratch")
    is_real = int(check.source.dtype.value.startswith("float"))
    n_in, n_out = check.source.n_bytes, check.output.n_bytes

    def over(distance: int) -> list[str]:
        source, output = room, room - distance
        if check.output.dtype.n_bytes > check.source.dtype.n_bytes:
            source, output = room + distance, room
        return [
            f"  fill(shared + {source}, {n_in}, {is_real}, 5u);",
            f"  {name}_call(shared + {source}, shared + {output});",
            f"  is_right = (uint8_t)same(shared + {output}, {n_out});",
            "  platform_write(&is_right, 1);",
        ]

    return [
        *lines,
        f"static void {name}_call(const uint8_t *in, uint8_t *out) {{",
        f"  {check.variant.symbol}({', '.join(arguments)});",
        "}",
        f"static void {name}(void) {{",
        "  uint8_t is_right;",
        *prepared,
        f"  fill(apart_in, {n_in}, {is_real}, 5u);",
        "  for (int i = 0; i < 2; ++i) {",
        f"    set(apart_out[i], {n_out}, i ? 0x5A : 0xA5);",
        f"    {name}_call(apart_in, apart_out[i]);",
        "  }",
        *over(check.distance_bytes),
        *over(check.nearer_bytes),
        "}",
    ]
