"""The assembly of CONV_2D and FULLY_CONNECTED keeps what the procedure call standard asks for.

None of the functions calls another, so that the stack needs no alignment beyond that of a word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.compiled_program import program_output
from tests.support.platforms import PLATFORMS
from tests.support.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

_SOURCES = (
    "common/block_2x4__dsp.S",
    "common/widen_2__dsp.S",
    "fully_connected/row_8__dsp.S",
)
_PROGRAM = """\
#include "common/blocks__dsp.h"
#include "fully_connected/fully_connected__dsp.h"
#include "kept_registers.h"
#include "platform.h"

static uint32_t window[64];
static int32_t stream[2048];
static int8_t outputs[2][64];
static const int8_t pixels[256];

void run_cases(void) {
  int8_t *const written[2] = {outputs[0], outputs[1]};
  const int8_t *const read[2] = {pixels, pixels + 100};
  uint8_t counts[1 + 4 * 4];
  uint8_t *count = counts;
  *count++ = (uint8_t)changed(0, 0, 0, 0, careless);
  for (int32_t n = 1; n <= 4; ++n) {
    const anvil_dsp_blocks blocks = {n, 7 * n - 6, n & 1};
    *count++ = (uint8_t)changed(window, stream, written, &blocks, (plain)anvil_dsp_block_2x4);
    const anvil_dsp_row row = {n, 3 * n - 2, n & 1};
    *count++ = (uint8_t)changed(pixels, stream, outputs, &row, (plain)anvil_dsp_row_8);
    for (int32_t n_bytes = n; n_bytes <= 4 + n; n_bytes += 4) {
      const anvil_dsp_rows rows = {2, 3};
      *count++ = (uint8_t)changed(window, read, (const void *)(intptr_t)n_bytes, &rows,
                                  (plain)anvil_dsp_widen_2);
    }
  }
  platform_write(counts, sizeof counts);
}
"""


def test_registers_and_stack_are_kept(tmp_path: Path) -> None:
    platform = next(p for p in PLATFORMS if p.name == "cortex-m4f")
    sources = [str(ROOT / "kernels" / source) for source in _SOURCES]
    counts = program_output(platform, _PROGRAM, tmp_path, sources=sources)
    assert list(counts) == [102, *[0] * 16]
