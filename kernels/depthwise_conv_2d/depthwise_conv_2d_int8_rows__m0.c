#include "common/channels__m0.h"
#include "depthwise_conv_2d/depthwise_conv_2d__m0.h"

void anvil_depthwise_conv_2d_int8_rows__m0(
    const anvil_depthwise_conv_2d_int8_rows_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *records, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_rows_parameters *const p = parameters;
  const int8_t **const taps = scratch;
  int8_t *const outside = (int8_t *)(taps + p->depth);
  for (int32_t i = 0; i < p->input_channels; ++i) {
    outside[i] = (int8_t)p->input_zero_point;
  }
  /* Taps that fill up the last three have weights of zero: any pixel will do. */
  for (int32_t i = 1; i < 3; ++i) {
    taps[p->depth - i] = outside;
  }
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    for (int32_t out_y = 0; out_y < p->output_h; ++out_y) {
      for (int32_t out_x = 0; out_x < p->output_w; ++out_x) {
        const int8_t **tap = taps;
        for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
          for (int32_t tap_x = 0; tap_x < p->filter_w; ++tap_x) {
            const int32_t y = out_y * p->stride_h - p->pad_top + tap_y * p->dilation_h;
            const int32_t x = out_x * p->stride_w - p->pad_left + tap_x * p->dilation_w;
            *tap++ =
                anvil_m0_pixel(input, p->input_h, p->input_w, p->input_channels, y, x, outside);
          }
        }
        anvil_m0_taps(taps, output, &p->depth, weights, records);
        output += p->input_channels;
      }
    }
    input += p->input_h * p->input_w * p->input_channels;
  }
}
