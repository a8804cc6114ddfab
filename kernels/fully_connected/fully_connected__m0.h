/* FULLY_CONNECTED on Cortex-M cores without the DSP extension. */
#ifndef ANVIL_FULLY_CONNECTED_M0_H
#define ANVIL_FULLY_CONNECTED_M0_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t depth; /* from here on the layer of anvil_m0_channels */
  int32_t units;
  int32_t block;
  int32_t half;
  int32_t rounding;
  int32_t output_min;
  int32_t output_max;
} anvil_fully_connected_int8_rows_parameters;

void anvil_fully_connected_int8_rows__m0(
    const anvil_fully_connected_int8_rows_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *records, int8_t *output);

#endif
