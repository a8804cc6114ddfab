#include <arm_neon.h>

#include "conv_2d/blocks__neon.h"
#include "conv_2d/conv_2d__dotprod.h"

#define INLINE static inline __attribute__((always_inline))

/* Four taps of each pixel, those of one lane of its vector. A vector of weights has four taps of
 * four channels. */
#define ADD_FOUR_TAPS(lane)                                            \
  _Pragma("GCC unroll 4") for (int v = 0; v < 2 * n_vectors; ++v) {    \
    const int8x16_t loaded = vld1q_s8(weights);                        \
    weights += 16;                                                     \
    _Pragma("GCC unroll 4") for (int i = 0; i < n; ++i) {              \
      sums[i][v] = vdotq_laneq_s32(sums[i][v], loaded, taps[i], lane); \
    }                                                                  \
  }

/* A block of 8 * n_vectors output channels of n pixels; the compiler knows both numbers. */
INLINE void compute(int n, int n_vectors, const anvil_blocks_layer *l, const int8_t *windows,
                    const int8_t *weights, const int32_t *channels, int8_t *output) {
  const int32_t window_bytes = l->window_bytes;
  int32x4_t sums[ANVIL_PIXELS][4];
  const int8_t *next[ANVIL_PIXELS];
#pragma GCC unroll 4
  for (int i = 0; i < n; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < 2 * n_vectors; ++v) {
      sums[i][v] = vld1q_s32(channels + 4 * v);
    }
    next[i] = windows + i * window_bytes;
    /* Hides that the distances are known, which the compiler would add again at each step. */
    __asm__("" : "+r"(next[i]));
  }
  int8x16_t taps[ANVIL_PIXELS];
  for (int32_t steps = window_bytes / 16; steps > 0; --steps) {
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) {
      taps[i] = vld1q_s8(next[i]);
      next[i] += 16;
    }
    ADD_FOUR_TAPS(0)
    ADD_FOUR_TAPS(1)
    ADD_FOUR_TAPS(2)
    ADD_FOUR_TAPS(3)
  }
  for (int32_t rest = window_bytes & 15; rest > 0; rest -= 4) {
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) {
      taps[i] = vreinterpretq_s8_s32(vld1q_dup_s32((const int32_t *)next[i]));
      next[i] += 4;
    }
    ADD_FOUR_TAPS(0)
  }
  anvil_store_blocks(n, n_vectors, l, sums, channels, output);
}

ANVIL_BLOCK_FUNCTION(compute_4x16, 4, 2)
ANVIL_BLOCK_FUNCTION(compute_4x8, 4, 1)
ANVIL_BLOCK_FUNCTION(compute_1x16, 1, 2)
ANVIL_BLOCK_FUNCTION(compute_1x8, 1, 1)

void anvil_conv_2d_int8_blocks__dotprod(const anvil_conv_2d_int8_parameters *parameters,
                                        const int8_t *input, const int8_t *weights,
                                        const int32_t *channels, int8_t *output, void *scratch) {
  const anvil_block_functions functions = {compute_4x16, compute_4x8, compute_1x16, compute_1x8};
  anvil_convolve_blocks(parameters, functions, input, weights, channels, output, scratch);
}
