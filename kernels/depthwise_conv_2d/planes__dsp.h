/* Planes: four channels of a part of an image, one after the other, as int16 pairs of columns.
 *
 * A border is the input's zero point like any other column. Values are times 2^8, which costs
 * nothing, since bytes are masked rather than sign-extended, and keeps the bits that rescaling
 * needs. */
#ifndef ANVIL_PLANES_DSP_H
#define ANVIL_PLANES_DSP_H

#include <stdint.h>

#include "common/requantize.h"

typedef struct {
  int32_t n_rows;     /* at least 1 */
  int32_t left_bytes; /* from one row to the next, 0 for what stands for a border */
  int32_t right_bytes;
  int32_t plane_bytes; /* from one channel's words to the next one's */
  int32_t word_bytes;  /* from one row's word to the next one's */
} anvil_spread_rows;

/* Four neighbouring channels of a pair of columns, int8, as words of four planes: the left one's
 * value times 2^8 in the low half, the right one's in the high half. */
void anvil_spread_columns(const int8_t *left, const int8_t *right, uint32_t *target,
                          const anvil_spread_rows *rows);

typedef struct {
  int32_t first; /* row or column of the image, the first of the strip */
  int32_t begin; /* those inside the image, counted from the first */
  int32_t end;
} anvil_extent;

static inline anvil_extent anvil_extent_of(int32_t first, int32_t n, int32_t image) {
  const anvil_extent found = {first, anvil_clamp(-first, 0, n), anvil_clamp(image - first, 0, n)};
  return found;
}

static inline void anvil_set_planes(uint32_t *planes, int32_t n_words, int32_t zero_point) {
  const uint32_t zero = (uint32_t)zero_point << 8 & 0xFF00u;
  for (int32_t word = 0; word < n_words; ++word) {
    planes[word] = zero << 16 | zero;
  }
}

#endif
