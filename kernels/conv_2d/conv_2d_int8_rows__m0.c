#include "common/channels__m0.h"
#include "conv_2d/conv_2d__m0.h"

typedef anvil_conv_2d_int8_rows_parameters parameters_t;

/* The values under the filter that begins at (y, x), side by side: copied, unless they are one
 * pixel of the image. */
static const int8_t *window_at(const parameters_t *p, const int8_t *image, int32_t y, int32_t x,
                               int8_t *copy, const int8_t *outside) {
  const int8_t *pixel = outside;
  int8_t *to = copy;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
    for (int32_t tap_x = 0; tap_x < p->filter_w; ++tap_x) {
      pixel = anvil_m0_pixel(image, p->input_h, p->input_w, p->input_channels,
                             y + tap_y * p->dilation_h, x + tap_x * p->dilation_w, outside);
      if (p->depth == p->input_channels) {
        return pixel;
      }
      to += p->input_channels;
      pixel += p->input_channels;
      for (int32_t i = -p->input_channels; i != 0; ++i) {
        to[i] = pixel[i];
      }
    }
  }
  return copy;
}

void anvil_conv_2d_int8_rows__m0(const anvil_conv_2d_int8_rows_parameters *parameters,
                                 const int8_t *input, const int8_t *weights, const int32_t *records,
                                 int8_t *output, void *scratch) {
  const parameters_t *const p = parameters;
  int8_t *const outside = scratch;
  int8_t *const copy = outside + p->input_channels;
  for (int32_t i = 0; i < p->input_channels; ++i) {
    outside[i] = (int8_t)p->input_zero_point;
  }
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    for (int32_t out_y = 0; out_y < p->output_h; ++out_y) {
      for (int32_t out_x = 0; out_x < p->output_w; ++out_x) {
        const int32_t y = out_y * p->stride_h - p->pad_top;
        const int32_t x = out_x * p->stride_w - p->pad_left;
        anvil_m0_channels(window_at(p, input, y, x, copy, outside), output, &p->depth, weights,
                          records);
        output += p->output_channels;
      }
    }
    input += p->input_h * p->input_w * p->input_channels;
  }
}
