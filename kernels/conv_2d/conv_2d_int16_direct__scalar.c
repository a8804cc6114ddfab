#include "common/requantize.h"
#include "common/window.h"
#include "conv_2d/conv_2d.h"

static int64_t dot(const int16_t *values, const int8_t *weights, int32_t n) {
  int64_t sum = 0;
  for (int32_t i = 0; i < n; ++i) {
    sum += weights[i] * values[i];
  }
  return sum;
}

void anvil_conv_2d_int16_direct__scalar(const anvil_conv_2d_int16_parameters *parameters,
                                        const int16_t *input, const int8_t *weights,
                                        const int64_t *bias, const int32_t *multiplier,
                                        const int32_t *shift, int16_t *output) {
  const anvil_conv_2d_int16_parameters p = *parameters;
  const int32_t pixel = p.input_channels;
  const int32_t row = p.input_w * pixel;
  const int32_t filter_row = p.filter_w * p.filter_channels;
  const int32_t filter = p.filter_h * filter_row;
  const int32_t filters_per_group = p.output_channels / p.n_groups;
  /* Without gaps between its pixels, a row of the window is one dot product. */
  const int row_is_contiguous = p.dilation_w == 1 && p.n_groups == 1;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, p.dilation_h);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, p.dilation_w);
        const int32_t taps_per_run = row_is_contiguous ? columns.end - columns.begin : 1;
        const int32_t run = taps_per_run * p.filter_channels;
        const int32_t first_pixel = (x + columns.begin * p.dilation_w) * pixel;
        for (int32_t channel = 0; channel < p.output_channels; ++channel) {
          const int32_t group_offset = channel / filters_per_group * p.filter_channels;
          int64_t sum = bias[channel];
          for (int32_t tap_y = rows.begin; tap_y < rows.end; ++tap_y) {
            int32_t value = (y + tap_y * p.dilation_h) * row + first_pixel + group_offset;
            int32_t weight =
                channel * filter + tap_y * filter_row + columns.begin * p.filter_channels;
            for (int32_t tap_x = columns.begin; tap_x < columns.end; tap_x += taps_per_run) {
              sum += dot(input + value, weights + weight, run);
              value += p.dilation_w * pixel;
              weight += p.filter_channels;
            }
          }
          const int32_t scaled =
              p.sum_bits == 32 ? anvil_requantize((int32_t)sum, multiplier[channel], shift[channel])
                               : anvil_requantize_wide(sum, multiplier[channel], shift[channel]);
          *output++ = (int16_t)anvil_clamp(scaled, p.output_min, p.output_max);
        }
      }
    }
    input += p.input_h * row;
  }
}
