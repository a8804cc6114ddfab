#include "common/channel_blocks__avx2.h"
#include "conv_2d/conv_2d__avx2.h"

/* A few pixels at a time, wherever their rows end. All of them are read before one is written, so
 * that the output may lie over the input as if it went pixel by pixel. */
ANVIL_AVX2 void anvil_conv_2d_int8_pointwise__avx2(
    const anvil_conv_2d_int8_bytes_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *rescale, int8_t *output,
    void *scratch) {
  const anvil_conv_2d_int8_bytes_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .rescale = rescale,
                                   .n_channels = p.output_channels,
                                   .form = p.form,
                                   .way = anvil_way_to_multiply(p.fits_pairs),
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  const int32_t depth = p.input_channels;
  const int32_t n_steps = (depth + ANVIL_STEP - 1) / ANVIL_STEP;
  const int32_t value_bytes = anvil_value_bytes(channels.way);
  const int32_t run = 0;
  const anvil_windows windows = {.first = scratch,
                                 .runs = &run,
                                 .n_runs = 1,
                                 .n_steps = n_steps,
                                 .pixel_bytes = n_steps * ANVIL_STEP * value_bytes};
  int32_t rest = p.batches * p.output_h * p.output_w;
  while (rest > 0) {
    const int32_t at_once =
        channels.way == ANVIL_BY_BLOCKS ? anvil_pixels_at_once(rest) : ANVIL_PIXELS;
    const int32_t n = rest < at_once ? rest : at_once;
    uint8_t *pixels = scratch;
    if (depth % ANVIL_STEP == 0) {
      anvil_window_values(input, n * depth, channels.way, pixels);
    } else {
      for (int32_t i = 0; i < n; ++i) {
        anvil_window_values(input + i * depth, depth, channels.way,
                            pixels + i * windows.pixel_bytes);
      }
    }
    anvil_outputs_of_windows__avx2(&windows, &channels, n, output);
    input += n * depth;
    output += n * p.output_channels;
    rest -= n;
  }
}
