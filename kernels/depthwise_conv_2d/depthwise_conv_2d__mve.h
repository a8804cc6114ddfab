/* DEPTHWISE_CONV_2D on MVE. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_MVE_H
#define ANVIL_DEPTHWISE_CONV_2D_MVE_H

#include "depthwise_conv_2d/depthwise_conv_2d.h"

/* With constants in the layout lane_taps. */
void anvil_depthwise_conv_2d_int8_lanes__mve(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int32_t *blocks, int8_t *output, void *scratch);

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t input_zero_point;
  int32_t output_max;
  int32_t block_rows; /* of outputs; the last block has one more where one would be left */
  int32_t block_columns;
  int32_t rows; /* of a block at once, the last ones as blocks */
} anvil_depthwise_conv_2d_int8_tiles_parameters;

/* 3x3 filters, with constants in the layout tile_taps. */
void anvil_depthwise_conv_2d_int8_tiles__mve(
    const anvil_depthwise_conv_2d_int8_tiles_parameters *parameters, const int8_t *input,
    const int32_t *channels, int8_t *output, void *scratch);

#endif
