#include "conv_2d/six_pixels__simd128.h"

/* One pair of products of one pixel. The sums have names of their own, since compilers keep an
 * array of them in memory. No load moves over the end: compilers would load the pairs of all pixels
 * before the first multiplication, and engines run out of registers. */
#define ADD_PAIR(sum, at)                                              \
  {                                                                    \
    const v128_t pair = wasm_v128_load32_splat(at);                    \
    sum##0 = wasm_i32x4_add(sum##0, wasm_i32x4_dot_i16x8(pair, low));  \
    sum##1 = wasm_i32x4_add(sum##1, wasm_i32x4_dot_i16x8(pair, high)); \
    (at) += ANVIL_PAIR;                                                \
    __asm__ volatile("" : "+r"(sum##0), "+r"(sum##1) : : "memory");    \
  }

void anvil_six_pixels__simd128(const anvil_pair_channels *channels, const anvil_windows *windows,
                               int32_t n_pixels, int8_t *output) {
  const anvil_windows w = *windows;
  const int8_t *weights = channels->weights;
  for (int32_t channel = 0; channel < channels->n_channels; channel += ANVIL_BLOCK) {
    const int32_t *const bias = channels->bias + channel;
    v128_t a0 = wasm_v128_load(bias), b0 = a0, c0 = a0, d0 = a0, e0 = a0, f0 = a0;
    v128_t a1 = wasm_v128_load(bias + 4), b1 = a1, c1 = a1, d1 = a1, e1 = a1, f1 = a1;
    for (int32_t row = 0; row < w.n_rows; ++row) {
      const int16_t *at_a = w.rows[0][row * w.step] + w.offset[0];
      const int16_t *at_b = w.rows[1][row * w.step] + w.offset[1];
      const int16_t *at_c = w.rows[2][row * w.step] + w.offset[2];
      const int16_t *at_d = w.rows[3][row * w.step] + w.offset[3];
      const int16_t *at_e = w.rows[4][row * w.step] + w.offset[4];
      const int16_t *at_f = w.rows[5][row * w.step] + w.offset[5];
#pragma clang loop unroll(disable)
      for (int32_t rest = w.n_pairs; rest > 0; --rest) {
        const v128_t low = wasm_i16x8_load8x8(weights);
        const v128_t high = wasm_i16x8_load8x8(weights + 8);
        ADD_PAIR(a, at_a)
        ADD_PAIR(b, at_b)
        ADD_PAIR(c, at_c)
        ADD_PAIR(d, at_d)
        ADD_PAIR(e, at_e)
        ADD_PAIR(f, at_f)
        weights += ANVIL_BLOCK_PAIR_BYTES;
      }
    }
    const v128_t sums[2 * ANVIL_PIXELS] = {a0, a1, b0, b1, c0, c1, d0, d1, e0, e1, f0, f1};
    anvil_store_blocks__simd128(channels, channel, sums, n_pixels, output);
  }
}
