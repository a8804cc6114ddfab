#include <arm_neon.h>

#include "add/add__neon.h"

/* anvil_requantize where shifts are 0 or to the right. SQRDMULH is its first rounding. SRSHL
 * rounds halves up; taking 1 from negative values sends theirs away from zero. Without a shift
 * nothing is rounded, and the AND leaves no sign to take. */
static inline int32x4_t rescale(int32x4_t values, int32_t multiplier, int32_t shift) {
  const int32x4_t shifts = vdupq_n_s32(shift);
  const int32x4_t high = vqrdmulhq_n_s32(values, multiplier);
  return vrshlq_s32(vsraq_n_s32(high, vandq_s32(high, shifts), 31), shifts);
}

/* Four differences from the zero point, 5 bits to the left already: the reference takes 20. */
static inline int32x4_t operand(int16x4_t raised, int32_t multiplier, int32_t shift) {
  return rescale(vshll_n_s16(raised, 15), multiplier, shift);
}

static inline int8x8_t add8(int8x8_t first, int8x8_t second, const anvil_add_int8_parameters *p) {
  const int16x8_t raised1 =
      vshlq_n_s16(vsubl_s8(first, vdup_n_s8((int8_t)p->input1_zero_point)), 5);
  const int16x8_t raised2 =
      vshlq_n_s16(vsubl_s8(second, vdup_n_s8((int8_t)p->input2_zero_point)), 5);
  const int32x4_t low =
      vaddq_s32(operand(vget_low_s16(raised1), p->input1_multiplier, p->input1_shift),
                operand(vget_low_s16(raised2), p->input2_multiplier, p->input2_shift));
  const int32x4_t high =
      vaddq_s32(operand(vget_high_s16(raised1), p->input1_multiplier, p->input1_shift),
                operand(vget_high_s16(raised2), p->input2_multiplier, p->input2_shift));
  const int16x8_t scaled =
      vqmovn_high_s32(vqmovn_s32(rescale(low, p->output_multiplier, p->output_shift)),
                      rescale(high, p->output_multiplier, p->output_shift));
  const int8x8_t sums = vqmovn_s16(vqaddq_s16(scaled, vdupq_n_s16((int16_t)p->output_zero_point)));
  return vmin_s8(vmax_s8(sums, vdup_n_s8((int8_t)p->output_min)), vdup_n_s8((int8_t)p->output_max));
}

void anvil_add_int8_equal__neon(const anvil_add_int8_parameters *parameters, const int8_t *input1,
                                const int8_t *input2, const int32_t *loops, int8_t *output) {
  const anvil_add_int8_parameters p = *parameters;
  const int32_t n = loops[0];
  int32_t i = 0;
  for (; i + 8 <= n; i += 8) {
    vst1_s8(output + i, add8(vld1_s8(input1 + i), vld1_s8(input2 + i), &p));
  }
  for (; i < n; ++i) {
    output[i] = vget_lane_s8(add8(vdup_n_s8(input1[i]), vdup_n_s8(input2[i]), &p), 0);
  }
}
