"""The C code that kernels share, against arithmetic that is exact, on every machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.requantize import quantize_multiplier, reduced_multiplier, round_half_away
from tests.support.compiled_program import program_output
from tests.support.platforms import Platform, each_platform

if TYPE_CHECKING:
    from pathlib import Path

_PROLOGUE = """#include <stdint.h>
#include "platform.h"
#include "common/half.h"
#include "common/requantize.h"
"""
_HALVES = (
    _PROLOGUE
    + """
void run_cases(void) {
  static float values[65536];
  for (int32_t half = 0; half < 65536; ++half) {
    values[half] = anvil_half_to_float((uint16_t)half);
  }
  platform_write(values, sizeof values);
}
"""
)


@each_platform
def test_all_halves_are_converted_exactly(platform: Platform, tmp_path: Path) -> None:
    written = np.frombuffer(program_output(platform, _HALVES, tmp_path), "<u4")
    halves = np.arange(2**16, dtype=np.uint16)
    expected = halves.view(np.float16).astype(np.float32).view(np.uint32)
    is_nan = np.isnan(halves.view(np.float16))
    assert is_nan.sum() == 2 * 1023
    assert (written[~is_nan] == expected[~is_nan]).all()
    # NumPy may quiet a NaN; the kernels keep all of it.
    payload = halves[is_nan].astype(np.uint32)
    assert (
        written[is_nan] == ((payload & 0x8000) << 16 | 0x7F800000 | (payload & 0x3FF) << 13)
    ).all()


def _once_in_doubles(value: int, scale: float) -> int:
    return round_half_away(float(value) * scale)


def _literals(values: list[int]) -> str:
    return ", ".join(f"{value}" for value in values)


@each_platform
def test_wide_sums_are_rescaled_as_in_float64(platform: Platform, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(600):
        bits = int(rng.integers(1, 53))
        value = int(rng.integers(-(2**bits), 2**bits))
        # Results of 0 to 31 bits, and halves: scales of few bits and of all 53.
        exponent = int(rng.integers(-12, 31)) - bits
        scale = math.ldexp(1 + float(rng.random()), exponent)
        if rng.random() < 0.4:
            scale = math.ldexp(float(rng.integers(1, 9)), exponent - 3)
        rows.append((value, scale))
    rows += [(value, 0.5) for value in range(-9, 10)]
    rows += [(2**52 + 1, math.ldexp(1.0, -23)), (-(2**52) - 1, math.ldexp(1.0, -23))]
    # Quotients of odd numbers and twice another, which doubles round up to a half or not.
    rows += [(odd * n, 1 / (2 * odd)) for odd in (3, 7, 41, 49, 93, 103) for n in range(1, 400, 2)]
    parts = [math.frexp(scale) for _, scale in rows]
    mantissas = [int(fraction * 2**62) for fraction, _ in parts]
    text = f"""{_PROLOGUE}
static const int64_t value[] = {{{_literals([value for value, _ in rows])}}};
static const int32_t high[] = {{{_literals([m >> 31 for m in mantissas])}}};
static const int32_t low[] = {{{_literals([m % 2**31 for m in mantissas])}}};
static const int32_t shift[] = {{{_literals([shift for _, shift in parts])}}};

void run_cases(void) {{
  for (int32_t i = 0; i < {len(rows)}; ++i) {{
    const int32_t result = anvil_rescale_once_wide(value[i], high[i], low[i], shift[i]);
    platform_write(&result, sizeof result);
    if (value[i] >= INT32_MIN && value[i] <= INT32_MAX) {{
      const int32_t narrow = anvil_rescale_once((int32_t)value[i], high[i], low[i], shift[i]);
      platform_write(&narrow, sizeof narrow);
    }}
  }}
}}
"""
    expected = []
    for value, scale in rows:
        expected += [_once_in_doubles(value, scale)] * (2 if -(2**31) <= value < 2**31 else 1)
    written = np.frombuffer(program_output(platform, text, tmp_path), "<i4")
    assert written.tolist() == expected


@each_platform
def test_wide_sums_are_requantized_with_one_rounding(platform: Platform, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = []
    for _ in range(500):
        value = int(rng.integers(-(2**47), 2**47)) >> int(rng.integers(0, 47))
        point = quantize_multiplier(float(2.0 ** rng.uniform(-33, 7)))
        rows.append((value, reduced_multiplier(point.multiplier), point.shift))
    rows += [(value, 2**14, shift) for value in (-3, -1, 0, 1, 3) for shift in (0, -1)]
    rows += [(value, 0x7FFF, 7) for value in (-(2**47), 2**47)]
    text = f"""{_PROLOGUE}
static const int64_t value[] = {{{_literals([value for value, _, _ in rows])}}};
static const int32_t multiplier[] = {{{_literals([m for _, m, _ in rows])}}};
static const int32_t shift[] = {{{_literals([shift for _, _, shift in rows])}}};

void run_cases(void) {{
  for (int32_t i = 0; i < {len(rows)}; ++i) {{
    const int32_t result = anvil_requantize_wide(value[i], multiplier[i], shift[i]);
    platform_write(&result, sizeof result);
  }}
}}
"""
    written = np.frombuffer(program_output(platform, text, tmp_path), "<i4")
    expected = [(v * m + (1 << (14 - s)) >> (15 - s)) & 0xFFFFFFFF for v, m, s in rows]
    assert written.view(np.uint32).tolist() == expected
