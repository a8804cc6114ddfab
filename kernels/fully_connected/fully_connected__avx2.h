/* FULLY_CONNECTED on AVX2, with constants in the layout byte_blocks. */
#ifndef ANVIL_FULLY_CONNECTED_AVX2_H
#define ANVIL_FULLY_CONNECTED_AVX2_H

#include "fully_connected/fully_connected.h"

typedef struct {
  int32_t batches;
  int32_t depth;
  int32_t units;
  int32_t multiplier_stride; /* 0: one multiplier for all units; 1: one for each */
  int32_t output_zero_point;
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
  int32_t form;       /* of rescaling, see common/channel_blocks__avx2.h */
  int32_t fits_pairs; /* whether no pair of weights can saturate vpmaddubsw */
} anvil_fully_connected_int8_bytes_parameters;

void anvil_fully_connected_int8_blocks__avx2(
    const anvil_fully_connected_int8_bytes_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *rescale, int8_t *output);

#endif
