"""The assembly for MVE keeps what the procedure call standard asks it to keep.

Every function is called with patterns in r4 to r11 and in s16 to s31, and the stack pointer is
compared. None of them calls another, so that the stack needs no alignment beyond that of a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.compiled_program import program_output
from tests.support.platforms import PLATFORMS
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_SOURCES = (
    "common/dots_2x4__mve.S",
    "conv_2d/window__mve.S",
    "depthwise_conv_2d/lanes__mve.S",
    "depthwise_conv_2d/tiles__mve.S",
)
_PROGRAM = """\
#include "common/dots_2x4__mve.h"
#include "conv_2d/window__mve.h"
#include "depthwise_conv_2d/lanes__mve.h"
#include "depthwise_conv_2d/tiles__mve.h"
#include "kept_registers.h"
#include "platform.h"

static int32_t stream[2048];
static int8_t outputs[256];
static int8_t records[2048];
static const int8_t pixels[512];

void run_cases(void) {
  uint8_t counts[40];
  uint8_t *count = counts;
  *count++ = (uint8_t)changed(0, 0, 0, 0, careless);
  for (int32_t n = 1; n <= 5; ++n) {
    const anvil_dots_2x4 dots = {{pixels, pixels + 256}, stream, outputs, 8, n, 4 * n - 3, 3,
                                 0, 0, 0};
    *count++ = (uint8_t)changed(&dots, 0, 0, 0, (plain)anvil_dots_2x4__mve);
    const anvil_dots_2x4 pairs = {{records, records + 32}, stream, outputs, n, n, 2, 3,
                                  pixels, n, 64};
    *count++ = (uint8_t)changed(&pairs, 0, 0, 0, (plain)anvil_dots_2x4__mve);
  }
  for (int32_t run = 8; run <= 24; run += 8) {
    for (int32_t inside = run - 2; inside <= run; inside += 2) {
      const anvil_window window = {.value = 1, .row = 30, .run = run, .left = 1, .inside = inside,
                                   .mask = 0xFFFF, .above = run, .n_rows = 2, .below = run};
      *count++ = (uint8_t)changed(&window, pixels, records, 0, (plain)anvil_window__mve);
    }
  }
  const int8_t *const taps[] = {pixels, pixels, pixels};
  for (int32_t n = 1; n <= 3; ++n) {
    const anvil_lanes lanes = {taps, stream, outputs, 12 * n, n, 3};
    *count++ = (uint8_t)changed(&lanes, 0, 0, 0, (plain)anvil_lanes__mve);
    const anvil_strip strip = {{pixels, pixels, pixels, pixels}, {0, 20, 20, 20}, records,
                               64, n, 64, n, 1, pixels};
    *count++ = (uint8_t)changed(&strip, 0, 0, 0, (plain)anvil_spread_strip__mve);
    uint32_t table[5 * 3];
    for (int i = 0; i < 15; ++i) {
      table[i] = (uint32_t)(uintptr_t)records;
    }
    table[1] = table[3] = table[5] = 0;
    anvil_tiles tiles = {(const int8_t *)(stream + 16), stream + 512, table, n, n,
                         {0, 64, 128, 192}, {0, 0, 0, 0}};
    for (int i = 0; i < 4; ++i) {
      tiles.outputs[i] = (uint32_t)(uintptr_t)outputs + (uint32_t)(16 * i);
    }
    *count++ = (uint8_t)changed(&tiles, 0, 0, 0, (plain)anvil_tiles_shared__mve);
    table[1] = table[3] = table[5] = (uint32_t)(uintptr_t)records;
    table[2] = table[7] = table[12] = 0;
    *count++ = (uint8_t)changed(&tiles, 0, 0, 0, (plain)anvil_tiles_apart__mve);
  }
  platform_write(counts, (uint32_t)(count - counts));
}
"""


def test_registers_and_stack_are_kept(tmp_path: Path) -> None:
    platform = next(p for p in PLATFORMS if p.name == "cortex-m55")
    sources = [str(ROOT / "kernels" / source) for source in _SOURCES]
    counts = program_output(platform, _PROGRAM, tmp_path, sources=sources)
    assert list(counts) == [102, *[0] * 28]
