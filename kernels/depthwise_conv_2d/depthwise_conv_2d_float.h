/* What the float kernels of DEPTHWISE_CONV_2D share: all but how a weight is read. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_FLOAT_H
#define ANVIL_DEPTHWISE_CONV_2D_FLOAT_H

#include "common/activation.h"
#include "common/float_products.h"
#include "common/window.h"
#include "depthwise_conv_2d/depthwise_conv_2d.h"

/* Products are added in the order of TFLite's reference kernel: by row and column of the
 * window. Nothing is added for what lies outside the image. */
static inline void anvil_depthwise_conv_2d_float(
    const anvil_depthwise_conv_2d_float32_parameters *parameters, const float *input,
    const void *weights, const float *bias, float *output, anvil_add_products *add_products) {
  const anvil_depthwise_conv_2d_float32_parameters p = *parameters;
  const int32_t pixel = p.input_channels;
  const int32_t row = p.input_w * pixel;
  const int32_t tap = pixel * p.depth_multiplier; /* weights of one tap, one per output channel */
  const int32_t tap_row = p.filter_w * tap;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, p.dilation_h);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, p.dilation_w);
        const int32_t first_pixel = (x + columns.begin * p.dilation_w) * pixel;
        for (int32_t channel = 0; channel < tap; ++channel) {
          const int32_t input_channel = channel / p.depth_multiplier;
          float sum = 0.0f;
          for (int32_t tap_y = rows.begin; tap_y < rows.end; ++tap_y) {
            int32_t value = (y + tap_y * p.dilation_h) * row + first_pixel + input_channel;
            int32_t weight = tap_y * tap_row + columns.begin * tap + channel;
            for (int32_t tap_x = columns.begin; tap_x < columns.end; ++tap_x) {
              sum = add_products(sum, input + value, weights, weight, 1);
              value += p.dilation_w * pixel;
              weight += tap;
            }
          }
          /* TFLite adds the bias last. */
          *output++ = anvil_clamp_float(sum + bias[channel], p.output_min, p.output_max);
        }
      }
    }
    input += p.input_h * row;
  }
}

#endif
