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
static inline v128_t anvil_rescale_4(v128_t sums, const double *scale, const double *away,
                                     v128_t magic, int saturates_at_zero) {
  const v128_t upper = wasm_i32x4_shuffle(sums, sums, 2, 3, 2, 3);
  const v128_t low =
      anvil_scale_2(sums, wasm_v128_load(scale), wasm_v128_load(away), saturates_at_zero);
  const v128_t high =
      anvil_scale_2(upper, wasm_v128_load(scale + 2), wasm_v128_load(away + 2), saturates_at_zero);
  return wasm_i32x4_shuffle(wasm_f64x2_add(low, magic), wasm_f64x2_add(high, magic), 0, 2, 4, 6);
}

static inline v128_t anvil_magic(int32_t zero_point) {
  return wasm_f64x2_splat(0x1.8p52 + (double)zero_point);
}

/* The outputs of a block's eight sums, clamped, in the low eight bytes. */
static inline v128_t anvil_rescale_block(const anvil_pair_channels *c, int32_t channel, v128_t low,
                                         v128_t high, int saturates_at_zero) {
  const v128_t magic = anvil_magic(c->zero_point);
  const double *const scale = c->scale + channel;
  const double *const away = c->away + channel;
  const v128_t words =
      wasm_i16x8_narrow_i32x4(anvil_rescale_4(low, scale, away, magic, saturates_at_zero),
                              anvil_rescale_4(high, scale + 4, away + 4, magic, saturates_at_zero));
  const v128_t bytes = wasm_i8x16_narrow_i16x8(words, words);
  return wasm_i8x16_min(wasm_i8x16_max(bytes, wasm_i8x16_splat((int8_t)c->least)),
                        wasm_i8x16_splat((int8_t)c->greatest));
}

void anvil_store_blocks__simd128(const anvil_pair_channels *channels, int32_t channel,
                                 const v128_t *sums, int32_t n, int8_t *output) {
  const anvil_pair_channels c = *channels;
  const int32_t n_rest = c.n_channels - channel;
  const int saturates_at_zero = c.least >= c.zero_point;
  output += channel;
  for (; n > 0; --n) {
    const v128_t bytes = saturates_at_zero ? anvil_rescale_block(&c, channel, sums[0], sums[1], 1)
                                           : anvil_rescale_block(&c, channel, sums[0], sums[1], 0);
    anvil_store_bytes(output, bytes, n_rest);
    output += c.n_channels;
    sums += 2;
  }
}
