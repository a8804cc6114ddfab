"""The assembly for Cortex-M0: what it keeps, and its rescaling at the edges of what it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from anvil.ops.requantize import requantize
from tests.support.compiled_program import program_output
from tests.support.platforms import CORTEX_M0
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_SOURCES = ("common/channels__m0.S", "common/rescale__m0.S", "depthwise_conv_2d/taps__m0.S")
_SUM_LIMIT = 2**29
_KEEPING = """\
#include "common/channels__m0.h"
#include "depthwise_conv_2d/depthwise_conv_2d__m0.h"
#include "kept_low_registers.h"
#include "platform.h"

static const int8_t window[64];
static const int8_t *taps[12];
static const int8_t weights[1024];
static const int32_t records[64][3];
static int8_t output[64];

void run_cases(void) {
  uint8_t counts[1 + 2 * 9];
  for (int32_t i = 0; i < 12; ++i) {
    taps[i] = window;
  }
  uint8_t *count = counts;
  *count++ = (uint8_t)changed(0, 0, 0, 0, 0, careless);
  for (int32_t n = 1; n <= 9; ++n) {
    const int32_t layer[] = {3 * n, n, n < 4 ? n : 4, 1 << 14, 1, -128, 127};
    *count++ = (uint8_t)changed(window, output, layer, weights, records, (plain)anvil_m0_channels);
    const anvil_m0_convolution depthwise = {
        .depth = 3 + n / 4 * 3, .output_channels = n, .half = 1 << 14, .output_max = 127};
    *count++ = (uint8_t)changed(taps, output, &depthwise, weights, records, (plain)anvil_m0_taps);
  }
  platform_write(counts, sizeof counts);
}
"""
_RESCALING = """\
#include <stdint.h>
#include "platform.h"

/* anvil_m0_rescale(sum, record), which wants the layer in r7 and changes r2 to r6. */
__attribute__((naked, noinline)) static int32_t rescaled(int32_t sum, const int32_t *record,
                                                         const int32_t *layer) {
  __asm__ volatile(
      "push {r4-r7, lr}\\n"
      "mov r7, r2\\n"
      "bl anvil_m0_rescale\\n"
      "pop {r4-r7, pc}\\n");
}

static const int32_t cases[][4] = {
%s
};

void run_cases(void) {
  static const int32_t layer[] = {0, 0, 0, 1 << 14, 1, INT32_MIN, INT32_MAX};
  for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    const int32_t found = rescaled(cases[i][0], &cases[i][1], layer);
    platform_write(&found, sizeof found);
  }
}
"""


def _sources() -> list[str]:
    return [str(ROOT / "kernels" / source) for source in _SOURCES]


def test_registers_and_stack_are_kept(tmp_path: Path) -> None:
    counts = program_output(CORTEX_M0, _KEEPING, tmp_path, sources=_sources())
    assert list(counts) == [102, *[0] * 18]


def test_rescaling_is_gemmlowp_s_to_the_last_bit(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    edges = [0, 1, 2, 2**15 - 1, 2**15, 2**15 + 1, 2**16 - 1, 2**16, 2**28, _SUM_LIMIT - 1]
    magnitudes = [*edges, *(int(2.0 ** rng.uniform(0, 29)) for _ in range(30))]
    sums = sorted({sign * value for value in magnitudes for sign in (1, -1)})
    multipliers = [2**30, 2**30 + 1, 2**31 - 1, *rng.integers(2**30, 2**31, 5).tolist()]
    shifts = [1, 2, 3, 7, 8, 15, 25, 30, 31]
    rows = [(s, m, r) for s in sums for m in multipliers for r in shifts]
    # And where a half is rounded: the product is the nearest to it on either side.
    for m in multipliers:
        for r in shifts[:6]:
            nearest = (2 * rng.integers(-200, 200, 8) + 1) * 2.0 ** (30 + r) / m
            found = np.floor(nearest).astype(np.int64)[:, None] + np.arange(-1, 3)
            rows += [(int(s), m, r) for s in found.reshape(-1) if abs(s) < _SUM_LIMIT]
    text = "\n".join(f"  {{{s}, 0, {m}, {r - 1}}}," for s, m, r in rows)
    output = program_output(CORTEX_M0, _RESCALING % text, tmp_path, sources=_sources()[1:2])
    given = np.array(rows, np.int64).T
    wanted = requantize(given[0], given[1].astype(np.int32), -given[2].astype(np.int32))
    np.testing.assert_array_equal(np.frombuffer(output, np.int32), wanted)
