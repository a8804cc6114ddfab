/* int8 dot products and their rescaling on WebAssembly's 128-bit vectors.
 *
 * A vector holds pairs of neighbouring products of four output channels: i32x4.dot_i16x8 multiplies
 * and adds them exactly. Constants are in the layout pair_blocks. */
#ifndef ANVIL_COMMON_PAIR_BLOCKS_SIMD128_H
#define ANVIL_COMMON_PAIR_BLOCKS_SIMD128_H

#include <stdint.h>
#include <wasm_simd128.h>

enum {
  ANVIL_BLOCK = 8,            /* channels of a block: two vectors of sums */
  ANVIL_PAIR = 2,             /* products that one lane takes at a time */
  ANVIL_BLOCK_PAIR_BYTES = 16 /* weights of a block's pairs */
};

/* What makes outputs of sums. The arrays are filled up to whole blocks. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const double *scale;
  const double *away;
  int32_t n_channels;
  int32_t n_pairs;
  int32_t zero_point;
  int32_t least;
  int32_t greatest;
} anvil_pair_channels;

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

/* Stores the first `n` of eight bytes, or all of them where n is more. */
static inline void anvil_store_bytes(int8_t *output, v128_t bytes, int32_t n) {
  if (n >= ANVIL_BLOCK) {
    wasm_v128_store64_lane(output, bytes, 0);
    return;
  }
  uint64_t rest = (uint64_t)wasm_i64x2_extract_lane(bytes, 0);
  for (int32_t i = 0; i < n; ++i) {
    output[i] = (int8_t)rest;
    rest >>= 8;
  }
}

/* A block's outputs of n pixels, of which each has two vectors of sums. */
static inline void anvil_store_blocks(const anvil_pair_channels *channels, int32_t channel,
                                      const v128_t *sums, int32_t n, int8_t *output) {
  const anvil_pair_channels c = *channels;
  const int32_t n_rest = c.n_channels - channel;
  output += channel;
  if (c.least >= c.zero_point) {
    for (; n > 0; --n) {
      anvil_store_bytes(output, anvil_rescale_block(&c, channel, sums[0], sums[1], 1), n_rest);
      output += c.n_channels;
      sums += 2;
    }
    return;
  }
  for (; n > 0; --n) {
    anvil_store_bytes(output, anvil_rescale_block(&c, channel, sums[0], sums[1], 0), n_rest);
    output += c.n_channels;
    sums += 2;
  }
}

static inline uint64_t anvil_load_4(const int8_t *from) {
  uint32_t bytes;
  __builtin_memcpy(&bytes, from, sizeof bytes);
  return bytes;
}

/* Channels `channel` and up to seven that follow, of a pixel that has `n_channels`; what lies
 * beyond the pixel is not read, since memory may end there, and is 0. */
static inline v128_t anvil_load_rest(const int8_t *pixel, int32_t channel, int32_t n_channels) {
  const int32_t n = n_channels - channel;
  uint64_t bytes = 0;
  if (n_channels >= ANVIL_BLOCK) {
    __builtin_memcpy(&bytes, pixel + n_channels - ANVIL_BLOCK, sizeof bytes);
    bytes >>= 8 * (ANVIL_BLOCK - n);
  } else if (n >= 4) {
    const uint64_t last = anvil_load_4(pixel + channel + n - 4);
    bytes = anvil_load_4(pixel + channel) | last << 8 * (n - 4);
  } else {
    for (int32_t i = n - 1; i >= 0; --i) {
      bytes = bytes << 8 | (uint8_t)pixel[channel + i];
    }
  }
  return wasm_i16x8_extend_low_i8x16(wasm_i64x2_make((int64_t)bytes, 0));
}

/* `n` bytes as 16-bit numbers. */
static inline void anvil_widen(int16_t *to, const int8_t *from, int32_t n) {
  if (n >= ANVIL_BLOCK) {
    for (int32_t i = 0; i + ANVIL_BLOCK <= n; i += ANVIL_BLOCK) {
      wasm_v128_store(to + i, wasm_i16x8_load8x8(from + i));
    }
    /* The last eight, some of them once more. */
    wasm_v128_store(to + n - ANVIL_BLOCK, wasm_i16x8_load8x8(from + n - ANVIL_BLOCK));
    return;
  }
  if (n >= 4) {
    const v128_t first = wasm_v128_load32_zero(from);
    const v128_t last = wasm_v128_load32_zero(from + n - 4);
    wasm_v128_store64_lane(to, wasm_i16x8_extend_low_i8x16(first), 0);
    wasm_v128_store64_lane(to + n - 4, wasm_i16x8_extend_low_i8x16(last), 0);
    return;
  }
  for (int32_t i = 0; i < n; ++i) {
    to[i] = from[i];
  }
}

#endif
