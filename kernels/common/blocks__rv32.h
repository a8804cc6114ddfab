/* Sums of four output channels at a time, and their rescaling, in the layout high_blocks. */
#ifndef ANVIL_COMMON_BLOCKS_RV32_H
#define ANVIL_COMMON_BLOCKS_RV32_H

#include <stdint.h>

#define ANVIL_INLINE static inline __attribute__((always_inline))

enum { ANVIL_BLOCK_CHANNELS = 4, ANVIL_RESCALING_WORDS = 16 };

/* Bounds of the fused activation. */
typedef struct {
  int32_t least;
  int32_t greatest;
} anvil_bounds;

/* One product of each of four channels. Sums are unsigned, since they may wrap around on the way.
 */
ANVIL_INLINE void anvil_add_products(uint32_t sums[4], int32_t value, const int8_t *weights) {
  sums[0] += (uint32_t)(value * weights[0]);
  sums[1] += (uint32_t)(value * weights[1]);
  sums[2] += (uint32_t)(value * weights[2]);
  sums[3] += (uint32_t)(value * weights[3]);
}

/* How a channel's sums become outputs. */
typedef struct {
  int32_t multiplier;
  int32_t addend;
  int32_t below;   /* what sums below 0 add besides */
  uint32_t shifts; /* left + 32 * exponent */
} anvil_rescaling;

/* Of channel `i` of a block. */
ANVIL_INLINE anvil_rescaling anvil_rescaling_of(const int32_t *words, int32_t i) {
  const anvil_rescaling found = {words[4 * i], words[4 * i + 1], words[4 * i + 2],
                                 (uint32_t)words[4 * i + 3]};
  return found;
}

/* Nothing overflows: the layout has proved it for every sum that the weights allow. */
ANVIL_INLINE int8_t anvil_rescaled(uint32_t sum, anvil_rescaling by, anvil_bounds bounds) {
  const int32_t raised = (int32_t)(sum << (by.shifts & 31));
  const int32_t high = (int32_t)((int64_t)raised * by.multiplier >> 32);
  const int32_t below = ((int32_t)sum >> 31) & by.below;
  const int32_t output = (high + by.addend + below) >> (by.shifts >> 5 & 31);
  if (output < bounds.least) {
    return (int8_t)bounds.least;
  }
  return (int8_t)(output > bounds.greatest ? bounds.greatest : output);
}

/* All outputs of one pixel or row, whose products lie one after the other. */
ANVIL_INLINE void anvil_outputs_of_1(const int8_t *values, int32_t n_products, const int32_t *block,
                                     int32_t n_channels, anvil_bounds bounds, int8_t *output) {
  for (int32_t left = n_channels; left > 0; left -= ANVIL_BLOCK_CHANNELS) {
    uint32_t sums[4] = {(uint32_t)block[0], (uint32_t)block[1], (uint32_t)block[2],
                        (uint32_t)block[3]};
    const int8_t *weights = (const int8_t *)(block + ANVIL_BLOCK_CHANNELS);
    const int8_t *value = values;
    const int8_t *const end = values + n_products;
    for (; end - value >= 4; value += 4, weights += 16) {
      anvil_add_products(sums, value[0], weights);
      anvil_add_products(sums, value[1], weights + 4);
      anvil_add_products(sums, value[2], weights + 8);
      anvil_add_products(sums, value[3], weights + 12);
    }
    for (; value < end; ++value, weights += 4) {
      anvil_add_products(sums, *value, weights);
    }
    block = (const int32_t *)weights;
    /* Only here in memory: an array that is indexed by a variable has no registers. */
    const uint32_t totals[4] = {sums[0], sums[1], sums[2], sums[3]};
    for (int32_t i = 0; i < ANVIL_BLOCK_CHANNELS && i < left; ++i) {
      *output++ = anvil_rescaled(totals[i], anvil_rescaling_of(block, i), bounds);
    }
    block += ANVIL_RESCALING_WORDS;
  }
}

#endif
