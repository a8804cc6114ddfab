#include "common/channel_blocks__avx2.h"
#include "common/x86_level__avx2.h"
#include "conv_2d/conv_2d__avx2.h"

/* A few pixels at a time, wherever their rows end. All of them are read before one is written, so
 * that the output may lie over the input as if it went pixel by pixel. */
ANVIL_AVX2_INLINE void all_pixels(const anvil_channels *c, int32_t value_bytes, int32_t depth,
                                  int32_t n_pixels, const int8_t *input, int8_t *output,
                                  uint8_t *scratch) {
  const int32_t n_steps = (depth + ANVIL_STEP - 1) / ANVIL_STEP;
  const int32_t pixel_bytes = n_steps * ANVIL_STEP * value_bytes;
  const anvil_windows windows = {.rows = scratch,
                                 .value_bytes = value_bytes,
                                 .row_bytes = 0,
                                 .n_rows = 1,
                                 .first_row = 0,
                                 .row_step = 1,
                                 .n_tap_rows = 1,
                                 .n_tap_runs = 1,
                                 .run_bytes = 0,
                                 .n_steps = n_steps,
                                 .pixel_bytes = pixel_bytes};
  while (n_pixels > 0) {
    const int32_t n = n_pixels < ANVIL_PIXELS ? n_pixels : ANVIL_PIXELS;
    if (depth % ANVIL_STEP == 0) {
      anvil_unsigned(input, n * depth, value_bytes, scratch);
    } else {
      for (int32_t i = 0; i < n; ++i) {
        anvil_unsigned(input + i * depth, depth, value_bytes, scratch + i * pixel_bytes);
      }
    }
    anvil_row_of(&windows, c, n, output);
    input += n * depth;
    output += n * c->n_channels;
    n_pixels -= n;
  }
}

static ANVIL_AVX2 void by_bytes(const anvil_channels *c, int32_t depth, int32_t n_pixels,
                                const int8_t *input, int8_t *output, uint8_t *scratch) {
  const anvil_channels channels = *c; /* which no store through `output` can change */
  all_pixels(&channels, 1, depth, n_pixels, input, output, scratch);
}

static ANVIL_AVX2 void by_words(const anvil_channels *c, int32_t depth, int32_t n_pixels,
                                const int8_t *input, int8_t *output, uint8_t *scratch) {
  const anvil_channels channels = *c;
  all_pixels(&channels, 2, depth, n_pixels, input, output, scratch);
}

void anvil_conv_2d_int8_pointwise__avx2(const anvil_conv_2d_int8_parameters *parameters,
                                        const int8_t *input, const int8_t *weights,
                                        const int32_t *bias, const int32_t *multiplier,
                                        const int64_t *rounding, const int32_t *shift,
                                        int8_t *output, void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .multiplier = multiplier,
                                   .rounding = rounding,
                                   .shift = shift,
                                   .n_channels = p.output_channels,
                                   .halves_away = p.output_min < p.output_zero_point,
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  const int32_t n_pixels = p.batches * p.output_h * p.output_w;
  if (anvil_x86_has_avxvnni()) {
    by_bytes(&channels, p.input_channels, n_pixels, input, output, scratch);
  } else {
    by_words(&channels, p.input_channels, n_pixels, input, output, scratch);
  }
}
