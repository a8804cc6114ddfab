/* DEPTHWISE_CONV_2D: images NHWC, weights 1HWC. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_H
#define ANVIL_DEPTHWISE_CONV_2D_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t depth_multiplier; /* output channels of each input channel */
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t input_zero_point;
  int32_t output_zero_point;
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
} anvil_depthwise_conv_2d_int8_parameters;

/* multiplier and shift rescale each output channel's sum, see common/requantize.h. */
void anvil_depthwise_conv_2d_int8_direct__scalar(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int32_t *shift,
    int8_t *output);

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t depth_multiplier; /* output channels of each input channel */
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
} anvil_depthwise_conv_2d_int16_parameters;

/* multiplier and shift rescale each output channel's sum, see anvil_requantize_wide. */
void anvil_depthwise_conv_2d_int16_direct__scalar(
    const anvil_depthwise_conv_2d_int16_parameters *parameters, const int16_t *input,
    const int8_t *weights, const int64_t *bias, const int32_t *multiplier, const int32_t *shift,
    int16_t *output);

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t depth_multiplier; /* output channels of each input channel */
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t dilation_h;
  int32_t dilation_w;
  float output_min; /* bounds of the fused activation */
  float output_max;
} anvil_depthwise_conv_2d_float32_parameters;

void anvil_depthwise_conv_2d_float32_direct__scalar(
    const anvil_depthwise_conv_2d_float32_parameters *parameters, const float *input,
    const float *weights, const float *bias, float *output);

typedef anvil_depthwise_conv_2d_float32_parameters anvil_depthwise_conv_2d_float16_parameters;

/* Images and sums are float; the weights are half-precision numbers, see common/half.h. */
void anvil_depthwise_conv_2d_float16_direct__scalar(
    const anvil_depthwise_conv_2d_float16_parameters *parameters, const float *input,
    const uint16_t *weights, const float *bias, float *output);

#endif
