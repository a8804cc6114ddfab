#include "common/pair_blocks__simd128.h"
#include "depthwise_conv_2d/depthwise_conv_2d__simd128.h"

/* The products of two taps in turn, channel by channel, so that one instruction multiplies and
 * adds both. */
static inline void add_taps(v128_t sums[2], v128_t first, v128_t second, const int8_t *weights) {
  const v128_t low = wasm_i16x8_shuffle(first, second, 0, 8, 1, 9, 2, 10, 3, 11);
  const v128_t high = wasm_i16x8_shuffle(first, second, 4, 12, 5, 13, 6, 14, 7, 15);
  sums[0] = wasm_i32x4_add(sums[0], wasm_i32x4_dot_i16x8(low, wasm_i16x8_load8x8(weights)));
  sums[1] = wasm_i32x4_add(sums[1], wasm_i32x4_dot_i16x8(high, wasm_i16x8_load8x8(weights + 8)));
}

/* One output pixel, of which taps[i] is the pixel under tap i. Each block's inputs are read
 * before its outputs are written, and those of earlier channels not again. */
static void all_channels(const anvil_pair_channels *c, const int8_t *const *taps, int8_t *output) {
  const int8_t *weights = c->weights;
  const int32_t n_whole = c->n_channels & -ANVIL_BLOCK;
  int32_t channel = 0;
  for (; channel < n_whole; channel += ANVIL_BLOCK) {
    v128_t sums[2] = {wasm_v128_load(c->bias + channel), wasm_v128_load(c->bias + channel + 4)};
    for (int32_t pair = 0; pair < c->n_pairs; ++pair) {
      add_taps(sums, wasm_i16x8_load8x8(taps[2 * pair] + channel),
               wasm_i16x8_load8x8(taps[2 * pair + 1] + channel), weights);
      weights += ANVIL_BLOCK_PAIR_BYTES;
    }
    anvil_store_blocks(c, channel, sums, 1, output);
  }
  if (channel < c->n_channels) {
    v128_t sums[2] = {wasm_v128_load(c->bias + channel), wasm_v128_load(c->bias + channel + 4)};
    for (int32_t pair = 0; pair < c->n_pairs; ++pair) {
      add_taps(sums, anvil_load_rest(taps[2 * pair], channel, c->n_channels),
               anvil_load_rest(taps[2 * pair + 1], channel, c->n_channels), weights);
      weights += ANVIL_BLOCK_PAIR_BYTES;
    }
    anvil_store_blocks(c, channel, sums, 1, output);
  }
}

void anvil_depthwise_conv_2d_int8_pairs__simd128(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const double *scale, const double *away,
    int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = *parameters;
  const int32_t n_taps = p.filter_h * p.filter_w;
  const anvil_pair_channels channels = {.weights = weights,
                                        .bias = bias,
                                        .scale = scale,
                                        .away = away,
                                        .n_channels = p.input_channels,
                                        .n_pairs = (n_taps + 1) / ANVIL_PAIR,
                                        .zero_point = p.output_zero_point,
                                        .least = p.output_min,
                                        .greatest = p.output_max};
  const int8_t **const taps = scratch;
  /* What lies outside of the image: the input's zero point, which the biases take off again. */
  int8_t *const outside = (int8_t *)(taps + n_taps + 1);
  for (int32_t i = 0; i < p.input_channels; ++i) {
    outside[i] = (int8_t)p.input_zero_point;
  }
  taps[n_taps] = outside; /* the last tap's partner where they are odd, with weights of 0 */
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const int8_t **tap = taps;
        for (int32_t tap_y = y; tap_y < y + p.filter_h * p.dilation_h; tap_y += p.dilation_h) {
          const int32_t row = tap_y * p.input_w;
          for (int32_t tap_x = x; tap_x < x + p.filter_w * p.dilation_w; tap_x += p.dilation_w) {
            const int is_inside =
                tap_y >= 0 && tap_y < p.input_h && tap_x >= 0 && tap_x < p.input_w;
            *tap++ = is_inside ? input + (row + tap_x) * p.input_channels : outside;
          }
        }
        all_channels(&channels, taps, output);
        output += p.input_channels;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
