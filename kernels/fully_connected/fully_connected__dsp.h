/* FULLY_CONNECTED on Cortex-M's DSP extension. */
#ifndef ANVIL_FULLY_CONNECTED_DSP_H
#define ANVIL_FULLY_CONNECTED_DSP_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t depth;
  int32_t units;
  int32_t n_steps;       /* of two products each, in one row */
  int32_t own_exponents; /* whether each unit's rescaling has an exponent of its own */
} anvil_fully_connected_int8_blocks_parameters;

/* stream is what anvil/plan/layouts/channel_pairs.py makes of weights, bias and rescaling. */
void anvil_fully_connected_int8_blocks__dsp(
    const anvil_fully_connected_int8_blocks_parameters *parameters, const int8_t *input,
    const int32_t *stream, int8_t *output, void *scratch);

typedef struct {
  int32_t n_blocks; /* of 8 units */
  int32_t n_fours;  /* of inputs */
  int32_t own_exponents;
} anvil_dsp_row;

/* 8 * n_blocks outputs from 4 * n_fours inputs; see row_8__dsp.S. */
void anvil_dsp_row_8(const int8_t *input, const int32_t *stream, int8_t *output,
                     const anvil_dsp_row *row);

#endif
