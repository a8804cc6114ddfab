#include "common/requantize.h"
#include "common/window.h"
#include "depthwise_conv_2d/depthwise_conv_2d.h"

void anvil_depthwise_conv_2d_int16_direct__scalar(
    const anvil_depthwise_conv_2d_int16_parameters *parameters, const int16_t *input,
    const int8_t *weights, const int64_t *bias, const int32_t *multiplier, const int32_t *shift,
    int16_t *output) {
  const anvil_depthwise_conv_2d_int16_parameters p = *parameters;
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
          int64_t sum = bias[channel];
          for (int32_t tap_y = rows.begin; tap_y < rows.end; ++tap_y) {
            int32_t value = (y + tap_y * p.dilation_h) * row + first_pixel + input_channel;
            int32_t weight = tap_y * tap_row + columns.begin * tap + channel;
            for (int32_t tap_x = columns.begin; tap_x < columns.end; ++tap_x) {
              sum += weights[weight] * input[value];
              value += p.dilation_w * pixel;
              weight += tap;
            }
          }
          const int32_t scaled = anvil_requantize_wide(sum, multiplier[channel], shift[channel]);
          *output++ = (int16_t)anvil_clamp(scaled, p.output_min, p.output_max);
        }
      }
    }
    input += p.input_h * row;
  }
}
