#include "average_pool_2d/average_pool_2d__simd128.h"
#include "common/pair_blocks__simd128.h"
#include "common/window.h"

/* The taps of a window, as offsets into the image. */
typedef struct {
  int32_t n_rows;
  int32_t n_columns;
  int32_t row; /* from one row to the next */
  int32_t n_channels;
} window;

/* sum / count rounded, halves away from zero. Quotients of integers below 2^15 by integers are
 * further from the next integer than float32 rounds, so that cutting them off is exact. */
static inline v128_t mean(v128_t sum, v128_t half, v128_t count) {
  const v128_t sign = wasm_i32x4_shr(sum, 31);
  const v128_t away = wasm_i32x4_sub(wasm_v128_xor(half, sign), sign);
  const v128_t moved = wasm_f32x4_convert_i32x4(wasm_i32x4_add(sum, away));
  return wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_div(moved, count));
}

static inline v128_t means(v128_t sums, int32_t count) {
  const v128_t half = wasm_i32x4_splat(count / 2);
  const v128_t counts = wasm_f32x4_splat((float)count);
  const v128_t words =
      wasm_i16x8_narrow_i32x4(mean(wasm_i32x4_extend_low_i16x8(sums), half, counts),
                              mean(wasm_i32x4_extend_high_i16x8(sums), half, counts));
  return wasm_i8x16_narrow_i16x8(words, words);
}

/* Sums of eight channels, which 16 bits hold for up to 255 pixels. */
static inline v128_t sum_of(const window *w, const int8_t *first, int32_t channel, int is_whole) {
  v128_t sums = wasm_i16x8_const_splat(0);
  for (int32_t y = 0; y < w->n_rows; ++y) {
    const int8_t *pixel = first + y * w->row;
    for (int32_t x = 0; x < w->n_columns; ++x) {
      sums = wasm_i16x8_add(sums, is_whole ? wasm_i16x8_load8x8(pixel + channel)
                                           : anvil_load_rest(pixel, channel, w->n_channels));
      pixel += w->n_channels;
    }
  }
  return sums;
}

void anvil_average_pool_2d_int8_channels__simd128(
    const anvil_average_pool_2d_int8_parameters *parameters, const int8_t *input, int8_t *output) {
  const anvil_average_pool_2d_int8_parameters p = *parameters;
  const v128_t least = wasm_i8x16_splat((int8_t)p.output_min);
  const v128_t greatest = wasm_i8x16_splat((int8_t)p.output_max);

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, 1);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, 1);
        const window w = {.n_rows = rows.end - rows.begin,
                          .n_columns = columns.end - columns.begin,
                          .row = p.input_w * p.channels,
                          .n_channels = p.channels};
        const int8_t *first =
            input + ((y + rows.begin) * p.input_w + x + columns.begin) * p.channels;
        for (int32_t channel = 0; channel < p.channels; channel += ANVIL_BLOCK) {
          const int32_t n = p.channels - channel;
          const v128_t sums =
              n >= ANVIL_BLOCK ? sum_of(&w, first, channel, 1) : sum_of(&w, first, channel, 0);
          const v128_t bytes = means(sums, w.n_rows * w.n_columns);
          anvil_store_bytes(output + channel,
                            wasm_i8x16_min(wasm_i8x16_max(bytes, least), greatest), n);
        }
        output += p.channels;
      }
    }
    input += p.input_h * p.input_w * p.channels;
  }
}
