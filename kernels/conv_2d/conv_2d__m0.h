/* CONV_2D on Cortex-M cores without the DSP extension. */
#ifndef ANVIL_CONV_2D_M0_H
#define ANVIL_CONV_2D_M0_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t input_zero_point;
  int32_t depth; /* of a window; from here on the layer of anvil_m0_channels */
  int32_t output_channels;
  int32_t block;
  int32_t half;
  int32_t rounding;
  int32_t output_min;
  int32_t output_max;
} anvil_conv_2d_int8_rows_parameters;

void anvil_conv_2d_int8_rows__m0(const anvil_conv_2d_int8_rows_parameters *parameters,
                                 const int8_t *input, const int8_t *weights, const int32_t *records,
                                 int8_t *output, void *scratch);

#endif
