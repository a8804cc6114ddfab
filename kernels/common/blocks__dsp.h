/* What convolutions on Cortex-M's DSP extension share, in assembly. */
#ifndef ANVIL_COMMON_BLOCKS_DSP_H
#define ANVIL_COMMON_BLOCKS_DSP_H

#include <stdint.h>

typedef struct {
  int32_t n_rows;
  int32_t gap_bytes; /* from the end of a row to the beginning of the next */
} anvil_dsp_rows;

/* Two windows as pairs of int16, of each pixel n_rows rows of row_bytes; see widen_2__dsp.S.
 * Returns where `window` goes on. */
uint32_t *anvil_dsp_widen_2(uint32_t *window, const int8_t *const pixels[2], int32_t row_bytes,
                            const anvil_dsp_rows *rows);

typedef struct {
  int32_t n_blocks; /* of 4 output channels */
  int32_t n_steps;
  int32_t own_exponents;
} anvil_dsp_blocks;

/* 4 * n_blocks outputs of each of the two pixels in `window`; see block_2x4__dsp.S. */
void anvil_dsp_block_2x4(const uint32_t *window, const int32_t *stream, int8_t *const outputs[2],
                         const anvil_dsp_blocks *blocks);

#endif
