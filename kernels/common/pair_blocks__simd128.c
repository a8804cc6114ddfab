#include "common/pair_blocks__simd128.h"

/* Two sums before rounding. Where outputs saturate at the zero point, those of sums below 0 are the
 * same whichever way `away` moves them, since it is less than a half. */
static inline v128_t anvil_scale_2(v128_t sums, v128_t scale, v128_t away, int saturates_at_zero) {
  const v128_t product = wasm_f64x2_mul(wasm_f64x2_convert_low_i32x4(sums), scale);
  if (saturates_at_zero) {
    return wasm_f64x2_add(product, away);
  }
  const v128_t sign = wasm_v128_and(product, wasm_f64x2_const_splat(-0.0));
  return wasm_f64x2_add(product, wasm_v128_or(away, sign));
}

/* Four outputs before saturation. Rounding happens in the last addition, whose result has the
 * integer in its low bits; that it is the reference's was proved when the constants were packed. */
static inline v128_t anvil_rescale_4(v128_t sums, const v128_t *scale, const v128_t *away,
                                     v128_t magic, int saturates_at_zero) {
  const v128_t upper = wasm_i32x4_shuffle(sums, sums, 2, 3, 2, 3);
  const v128_t low = anvil_scale_2(sums, scale[0], away[0], saturates_at_zero);
  const v128_t high = anvil_scale_2(upper, scale[1], away[1], saturates_at_zero);
  return wasm_i32x4_shuffle(wasm_f64x2_add(low, magic), wasm_f64x2_add(high, magic), 0, 2, 4, 6);
}

/* Everything is loaded before the first store, which could change it for all that compilers know.
 */
static inline void anvil_store_pixels(const anvil_pair_channels *c, int32_t channel,
                                      const v128_t *sums, int32_t n, int8_t *output,
                                      int saturates_at_zero) {
  v128_t scale[4], away[4];
  for (int32_t i = 0; i < 4; ++i) {
    scale[i] = wasm_v128_load(c->scale + channel + 2 * i);
    away[i] = wasm_v128_load(c->away + channel + 2 * i);
  }
  const v128_t magic = wasm_f64x2_splat(0x1.8p52 + (double)c->zero_point);
  const v128_t least = wasm_i8x16_splat((int8_t)c->least);
  const v128_t greatest = wasm_i8x16_splat((int8_t)c->greatest);
  const int32_t pixel = c->n_channels;
  const int32_t n_rest = pixel - channel;
  for (; n > 0; --n) {
    const v128_t low = anvil_rescale_4(sums[0], scale, away, magic, saturates_at_zero);
    const v128_t high = anvil_rescale_4(sums[1], scale + 2, away + 2, magic, saturates_at_zero);
    const v128_t words = wasm_i16x8_narrow_i32x4(low, high);
    const v128_t bytes = wasm_i8x16_narrow_i16x8(words, words);
    anvil_store_bytes(output, wasm_i8x16_min(wasm_i8x16_max(bytes, least), greatest), n_rest);
    output += pixel;
    sums += 2;
  }
}

void anvil_store_blocks__simd128(const anvil_pair_channels *channels, int32_t channel,
                                 const v128_t *sums, int32_t n, int8_t *output) {
  if (channels->least >= channels->zero_point) {
    anvil_store_pixels(channels, channel, sums, n, output + channel, 1);
  } else {
    anvil_store_pixels(channels, channel, sums, n, output + channel, 0);
  }
}
