"""The depthwise kernels' assembly keeps what the procedure call standard asks it to keep.

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

_FOLDER = ROOT / "kernels" / "depthwise_conv_2d"
_PROGRAM = """\
#include "kept_registers.h"
#include "platform.h"
#include "depthwise_conv_2d/planes__dsp.h"
#include "depthwise_conv_2d/row_of_windows__dsp.h"
#include "depthwise_conv_2d/three_by_three__dsp.h"

static int32_t planes[256];
static int32_t channel[32];
static int8_t output[1024];
static const int8_t pixels[256];

void run_cases(void) {
  anvil_three_by_three_strip strip = {{4, 8, 12, 16, 20}, 32, 3 * 16, 0};
  anvil_row_of_windows_channel row = {channel, 2, 3, 8, 4, 7};
  const anvil_spread_rows spread = {5, 8, 8, 64, 4};
  const uint8_t counts[] = {
      (uint8_t)changed(planes, output, channel, &strip, careless),
      (uint8_t)changed(planes, output, channel, &strip, (plain)anvil_three_by_three_stride1_6),
      (uint8_t)changed(planes, output, channel, &strip, (plain)anvil_three_by_three_stride1_5),
      (strip.plane_bytes = 3 * 40,
       (uint8_t)changed(planes, output, channel, &strip, (plain)anvil_three_by_three_stride2_4)),
      (uint8_t)changed(planes, planes, output, &row, (plain)anvil_row_of_windows),
      (uint8_t)changed(pixels, pixels, planes, &spread, (plain)anvil_spread_columns),
  };
  platform_write(counts, sizeof counts);
}
"""


def test_registers_and_stack_are_kept(tmp_path: Path) -> None:
    platform = next(p for p in PLATFORMS if p.name == "cortex-m4f")
    sources = [
        str(_FOLDER / f"{name}__dsp.S")
        for name in ("three_by_three", "row_of_windows", "spread_columns")
    ]

    counts = program_output(platform, _PROGRAM, tmp_path, sources=sources)
    assert list(counts) == [102, 0, 0, 0, 0, 0]
