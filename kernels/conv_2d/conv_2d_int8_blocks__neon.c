#include <arm_neon.h>

#include "conv_2d/blocks__neon.h"
#include "conv_2d/conv_2d__neon.h"

#define INLINE static inline __attribute__((always_inline))

/* Adds the products of four taps to the sums of 8 * n_vectors channels. A vector of weights has
 * two taps of eight channels. Two products of one lane stay within 16 bits, as the layout has
 * proved; SADALP then adds both lanes of a channel to its sum. */
INLINE void add_four_taps(int32x4_t *sums, const int8x16_t *weights, int n_vectors, int16x8_t first,
                          int16x8_t second) {
  const int8x16_t taps01 = vreinterpretq_s8_s16(first);
  const int8x16_t taps23 = vreinterpretq_s8_s16(second);
  for (int v = 0; v < n_vectors; ++v) {
    const int8x16_t weights01 = weights[v];
    const int8x16_t weights23 = weights[n_vectors + v];
    int16x8_t low = vmull_s8(vget_low_s8(weights01), vget_low_s8(taps01));
    low = vmlal_s8(low, vget_low_s8(weights23), vget_low_s8(taps23));
    sums[2 * v] = vpadalq_s16(sums[2 * v], low);
    int16x8_t high = vmull_high_s8(weights01, taps01);
    high = vmlal_high_s8(high, weights23, taps23);
    sums[2 * v + 1] = vpadalq_s16(sums[2 * v + 1], high);
    __asm__ volatile("" : "+w"(sums[2 * v]), "+w"(sums[2 * v + 1]));
  }
}

/* A block of 8 * n_vectors output channels of n pixels; the compiler knows both numbers. */
INLINE void compute(int n, int n_vectors, const anvil_blocks_layer *l, const int8_t *windows,
                    const int8_t *weights, const int32_t *channels, int8_t *output) {
  const int32_t window_bytes = l->window_bytes;
  int32x4_t sums[ANVIL_PIXELS][4];
#pragma GCC unroll 4
  for (int i = 0; i < n; ++i) {
    for (int v = 0; v < 2 * n_vectors; ++v) {
      sums[i][v] = vld1q_s32(channels + 4 * v);
    }
  }
  const int16_t *next[ANVIL_PIXELS];
#pragma GCC unroll 4
  for (int i = 0; i < n; ++i) {
    next[i] = (const int16_t *)(windows + i * window_bytes);
    /* Hides that the distances are known, which the compiler would add again at each step. */
    __asm__("" : "+r"(next[i]));
  }
  for (int32_t steps = window_bytes / 8; steps > 0; --steps) {
    int8x16_t loaded[8];
    for (int v = 0; v < 4 * n_vectors; ++v) {
      loaded[v] = vld1q_s8(weights + 16 * v);
    }
    weights += 64 * n_vectors;
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) {
      const int16x8x4_t taps = vld4q_dup_s16(next[i]);
      next[i] += 4;
      add_four_taps(sums[i], loaded, n_vectors, taps.val[0], taps.val[1]);
      add_four_taps(sums[i], loaded + 2 * n_vectors, n_vectors, taps.val[2], taps.val[3]);
    }
  }
  if (window_bytes % 8 != 0) {
    int8x16_t loaded[4];
    for (int v = 0; v < 2 * n_vectors; ++v) {
      loaded[v] = vld1q_s8(weights + 16 * v);
    }
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) {
      const int16x8x2_t taps = vld2q_dup_s16(next[i]);
      add_four_taps(sums[i], loaded, n_vectors, taps.val[0], taps.val[1]);
    }
  }
  anvil_store_blocks(n, n_vectors, l, sums, channels, output);
}

ANVIL_BLOCK_FUNCTION(compute_4x16, 4, 2)
ANVIL_BLOCK_FUNCTION(compute_4x8, 4, 1)
ANVIL_BLOCK_FUNCTION(compute_1x16, 1, 2)
ANVIL_BLOCK_FUNCTION(compute_1x8, 1, 1)

void anvil_conv_2d_int8_blocks__neon(const anvil_conv_2d_int8_parameters *parameters,
                                     const int8_t *input, const int8_t *weights,
                                     const int32_t *channels, int8_t *output, void *scratch) {
  const anvil_block_functions functions = {compute_4x16, compute_4x8, compute_1x16, compute_1x8};
  anvil_convolve_blocks(parameters, functions, input, weights, channels, output, scratch);
}
