#include "common/channels__m0.h"
#include "common/pixels__m0.h"
#include "conv_2d/conv_2d__m0.h"

/* The window is copied, unless it is one pixel of the image. */
static void dense_pixel(const int8_t **taps, int8_t *output,
                        const anvil_m0_convolution *convolution, const int8_t *weights,
                        const int32_t *records) {
  const int32_t n_channels = convolution->input_channels;
  const int8_t **const end = taps + convolution->filter_h * convolution->filter_w;
  const int8_t *window = *taps;
  if (convolution->depth != n_channels) {
    int8_t *to = (int8_t *)(end + 2) + n_channels;
    window = to;
    for (; taps != end; ++taps) {
      const int8_t *const from = *taps + n_channels;
      to += n_channels;
      for (int32_t i = -n_channels; i != 0; ++i) {
        to[i] = from[i];
      }
    }
  }
  anvil_m0_channels(window, output, &convolution->depth, weights, records);
}

void anvil_conv_2d_int8_rows__m0(const anvil_m0_convolution *parameters, const int8_t *input,
                                 const int8_t *weights, const int32_t *records, int8_t *output,
                                 void *scratch) {
  anvil_m0_pixels(parameters, input, weights, records, output, scratch, dense_pixel);
}
