#include "common/pixels__m0.h"

void anvil_m0_pixels(const anvil_m0_convolution *convolution, const int8_t *input,
                     const int8_t *weights, const int32_t *records, int8_t *output, void *scratch,
                     anvil_m0_pixel pixel) {
  const anvil_m0_convolution *const p = convolution;
  const int8_t **const taps = scratch;
  const int8_t **const end = taps + p->filter_h * p->filter_w;
  int8_t *const outside = (int8_t *)(end + 2);
  end[0] = outside;
  end[1] = outside;
  for (int32_t i = 0; i < p->input_channels; ++i) {
    outside[i] = (int8_t)p->input_zero_point;
  }
  for (int32_t batch = p->batches; batch > 0; --batch) {
    for (int32_t out_y = 0; out_y < p->output_h; ++out_y) {
      for (int32_t out_x = 0; out_x < p->output_w; ++out_x) {
        const int8_t **tap = taps;
        int32_t y = out_y * p->stride_h - p->pad_top;
        for (int32_t tap_y = p->filter_h; tap_y > 0; --tap_y) {
          int32_t x = out_x * p->stride_w - p->pad_left;
          for (int32_t tap_x = p->filter_w; tap_x > 0; --tap_x) {
            /* As unsigned numbers, negative ones lie beyond the other edge. */
            *tap++ = (uint32_t)y < (uint32_t)p->input_h && (uint32_t)x < (uint32_t)p->input_w
                         ? input + (y * p->input_w + x) * p->input_channels
                         : outside;
            x += p->dilation_w;
          }
          y += p->dilation_h;
        }
        pixel(taps, output, p, weights, records);
        output += p->output_channels;
      }
    }
    input += p->input_h * p->input_w * p->input_channels;
  }
}
