#include <arm_neon.h>

#include "add/add__neon.h"

static inline int8x8_t add8(int16x8_t first, int16x8_t second,
                            const anvil_add_int8_linear_parameters *p) {
  const int32x4_t start = vdupq_n_s32(p->start);
  int32x4_t low = vmlaq_n_s32(start, vmovl_s16(vget_low_s16(first)), p->multiplier1);
  low = vmlaq_n_s32(low, vmovl_s16(vget_low_s16(second)), p->multiplier2);
  int32x4_t high = vmlaq_n_s32(start, vmovl_high_s16(first), p->multiplier1);
  high = vmlaq_n_s32(high, vmovl_high_s16(second), p->multiplier2);
  /* The upper halves are a shift by 16, before the one that the layout chose. */
  const int16x8_t halves = vuzp2q_s16(vreinterpretq_s16_s32(low), vreinterpretq_s16_s32(high));
  return vqmovn_s16(vshlq_s16(halves, vdupq_n_s16((int16_t)p->last_shift)));
}

static inline int8x16_t add16(const int8_t *input1, const int8_t *input2,
                              const anvil_add_int8_linear_parameters *p) {
  const int8x16_t first = vld1q_s8(input1);
  const int8x16_t second = vld1q_s8(input2);
  return vcombine_s8(add8(vmovl_s8(vget_low_s8(first)), vmovl_s8(vget_low_s8(second)), p),
                     add8(vmovl_high_s8(first), vmovl_high_s8(second), p));
}

void anvil_add_int8_linear__neon(const anvil_add_int8_linear_parameters *parameters,
                                 const int8_t *input1, const int8_t *input2, int8_t *output) {
  const anvil_add_int8_linear_parameters p = *parameters;
  const int32_t n = p.n_elements;
  if (n < 16) {
    int8_t values1[16] = {0};
    int8_t values2[16] = {0};
    for (int32_t i = 0; i < n; ++i) {
      values1[i] = input1[i];
      values2[i] = input2[i];
    }
    int8_t sums[16];
    vst1q_s8(sums, add16(values1, values2, &p));
    for (int32_t i = 0; i < n; ++i) {
      output[i] = sums[i];
    }
    return;
  }
  /* The last 16 overlap those before; the output may lie over an input, so that they are read
   * first. */
  const int8x16_t last = add16(input1 + n - 16, input2 + n - 16, &p);
  for (int32_t i = 0; i + 16 <= n; i += 16) {
    vst1q_s8(output + i, add16(input1 + i, input2 + i, &p));
  }
  vst1q_s8(output + n - 16, last);
}
