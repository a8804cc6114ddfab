/* Sums of convolutions as int8 outputs, for AArch64: common/requantize.h four channels at once. */
#ifndef ANVIL_COMMON_NARROW_NEON_H
#define ANVIL_COMMON_NARROW_NEON_H

#include <arm_neon.h>

typedef struct {
  int16x8_t zero_point;
  int8x16_t least;
  int8x16_t greatest;
} anvil_output_range;

static inline anvil_output_range anvil_output_range_of(int32_t zero_point, int32_t least,
                                                       int32_t greatest) {
  const anvil_output_range range = {vdupq_n_s16((int16_t)zero_point), vdupq_n_s8((int8_t)least),
                                    vdupq_n_s8((int8_t)greatest)};
  return range;
}

/* anvil_requantize where all shifts are below 0, as SRSHL takes them. SQRDMULH is the first
 * rounding; SRSHL rounds halves up, and subtracting 1 from negative values before sends theirs
 * down, away from zero. */
static inline int32x4_t anvil_requantize_neon(int32x4_t sums, int32x4_t multipliers,
                                              int32x4_t shifts) {
  const int32x4_t high = vqrdmulhq_s32(sums, multipliers);
  return vrshlq_s32(vsraq_n_s32(high, high, 31), shifts);
}

/* What rescales 16 channels, or 8 in the first half of each array. */
typedef struct {
  int32x4_t multipliers[4];
  int32x4_t shifts[4];
} anvil_channel_scales;

/* For 4 * n_vectors channels. */
static inline __attribute__((always_inline)) anvil_channel_scales
anvil_channel_scales_of(int n_vectors, const int32_t *multipliers, const int32_t *shifts) {
  anvil_channel_scales scales;
  for (int v = 0; v < n_vectors; ++v) {
    scales.multipliers[v] = vld1q_s32(multipliers + 4 * v);
    scales.shifts[v] = vld1q_s32(shifts + 4 * v);
  }
  return scales;
}

/* 8 channels of one pixel, those of vectors `v` and `v` + 1. */
static inline __attribute__((always_inline)) int16x8_t anvil_scale8(
    const int32x4_t *sums, int v, const anvil_channel_scales *scales, anvil_output_range range) {
  const int32x4_t low = anvil_requantize_neon(sums[v], scales->multipliers[v], scales->shifts[v]);
  const int32x4_t high =
      anvil_requantize_neon(sums[v + 1], scales->multipliers[v + 1], scales->shifts[v + 1]);
  /* Saturation moves nothing past a bound of int8, whatever the zero point. */
  return vqaddq_s16(vqmovn_high_s32(vqmovn_s32(low), high), range.zero_point);
}

static inline __attribute__((always_inline)) int8x8_t
anvil_narrow8(const int32x4_t *sums, const anvil_channel_scales *scales, anvil_output_range range) {
  const int8x8_t narrow = vqmovn_s16(anvil_scale8(sums, 0, scales, range));
  return vmin_s8(vmax_s8(narrow, vget_low_s8(range.least)), vget_low_s8(range.greatest));
}

static inline __attribute__((always_inline)) int8x16_t anvil_narrow16(
    const int32x4_t *sums, const anvil_channel_scales *scales, anvil_output_range range) {
  const int8x8_t low = vqmovn_s16(anvil_scale8(sums, 0, scales, range));
  const int8x16_t narrow = vqmovn_high_s16(low, anvil_scale8(sums, 2, scales, range));
  return vminq_s8(vmaxq_s8(narrow, range.least), range.greatest);
}

#endif
