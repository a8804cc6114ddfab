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
void anvil_store_blocks__simd128(const anvil_pair_channels *channels, int32_t channel,
                                 const v128_t *sums, int32_t n, int8_t *output);

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
