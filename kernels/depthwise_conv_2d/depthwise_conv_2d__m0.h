/* DEPTHWISE_CONV_2D on Cortex-M cores without the DSP extension. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_M0_H
#define ANVIL_DEPTHWISE_CONV_2D_M0_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
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
  int32_t depth; /* taps, a multiple of 3; from here on the layer of anvil_m0_taps */
  int32_t input_channels;
  int32_t block; /* means nothing here */
  int32_t half;
  int32_t rounding;
  int32_t output_min;
  int32_t output_max;
} anvil_depthwise_conv_2d_int8_rows_parameters;

void anvil_depthwise_conv_2d_int8_rows__m0(
    const anvil_depthwise_conv_2d_int8_rows_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *records, int8_t *output, void *scratch);

/* The outputs of all channels of one pixel. taps: the pixels under the filter, `depth` of them;
 * weights: channel by channel; layer and records as anvil_m0_channels has them. */
void anvil_m0_taps(const int8_t *const *taps, int8_t *output, const int32_t *layer,
                   const int8_t *weights, const int32_t *records);

#endif
