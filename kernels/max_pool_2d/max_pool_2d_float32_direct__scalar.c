#include "common/window.h"
#include "max_pool_2d/max_pool_2d.h"

void anvil_max_pool_2d_float32_direct__scalar(
    const anvil_max_pool_2d_float32_parameters *parameters, const float *input, float *output) {
  const anvil_max_pool_2d_float32_parameters p = *parameters;
  const int32_t row = p.input_w * p.channels;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, 1);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, 1);
        for (int32_t channel = 0; channel < p.channels; ++channel) {
          /* As the least that may come out; no NaN is greater. */
          float greatest = p.output_min;
          for (int32_t tap_y = y + rows.begin; tap_y < y + rows.end; ++tap_y) {
            int32_t value = tap_y * row + (x + columns.begin) * p.channels + channel;
            for (int32_t tap_x = columns.begin; tap_x < columns.end; ++tap_x) {
              if (input[value] > greatest) {
                greatest = input[value];
              }
              value += p.channels;
            }
          }
          *output++ = greatest > p.output_max ? p.output_max : greatest;
        }
      }
    }
    input += p.input_h * row;
  }
}
