#include "average_pool_2d/average_pool_2d.h"
#include "common/requantize.h"
#include "common/window.h"

void anvil_average_pool_2d_int16_direct__scalar(
    const anvil_average_pool_2d_int16_parameters *parameters, const int16_t *input,
    int16_t *output) {
  const anvil_average_pool_2d_int16_parameters p = *parameters;
  const int32_t row = p.input_w * p.channels;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, 1);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, 1);
        const int32_t count = (rows.end - rows.begin) * (columns.end - columns.begin);
        for (int32_t channel = 0; channel < p.channels; ++channel) {
          /* Holds 2^15 pixels; no window may have more. */
          int32_t sum = 0;
          for (int32_t tap_y = y + rows.begin; tap_y < y + rows.end; ++tap_y) {
            int32_t value = tap_y * row + (x + columns.begin) * p.channels + channel;
            for (int32_t tap_x = columns.begin; tap_x < columns.end; ++tap_x) {
              sum += input[value];
              value += p.channels;
            }
          }
          /* Division truncates, so that this rounds halves away from zero. */
          const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
          *output++ = (int16_t)anvil_clamp(mean, p.output_min, p.output_max);
        }
      }
    }
    input += p.input_h * row;
  }
}
