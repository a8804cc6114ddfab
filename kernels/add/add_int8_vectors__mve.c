#include <arm_mve.h>

#include "add/add__mve.h"

/* One vector instruction shifts as many bits away, another one the rest. */
#define FIRST_BITS 16

/* Eight elements, of which one vector has the even and one the odd ones. */
static inline __attribute__((always_inline)) int16x8_t
sum_of(const anvil_add_int8_vectors_parameters *p, int16x8_t first, int16x8_t second) {
  const int32x4_t m1 = vdupq_n_s32(p->multiplier1);
  int32x4_t even = vmlasq_n_s32(vmovlbq_s16(first), m1, p->start);
  int32x4_t odd = vmlasq_n_s32(vmovltq_s16(first), m1, p->start);
  even = vmlaq_n_s32(even, vmovlbq_s16(second), p->multiplier2);
  odd = vmlaq_n_s32(odd, vmovltq_s16(second), p->multiplier2);
  int16x8_t sums = vqshrnbq_n_s32(vuninitializedq_s16(), even, FIRST_BITS);
  sums = vqshrntq_n_s32(sums, odd, FIRST_BITS);
  sums = vshlq_r_s16(sums, p->last_shift);
  return vreinterpretq_s16_s8(vqmovnbq_s16(vuninitializedq_s8(), sums));
}

void anvil_add_int8_vectors__mve(const anvil_add_int8_vectors_parameters *parameters,
                                 const int8_t *input1, const int8_t *input2, int8_t *output) {
  const anvil_add_int8_vectors_parameters p = *parameters;
  for (int32_t i = p.n_elements / 8; i > 0; --i) {
    vstrbq_s16(output, sum_of(&p, vldrbq_s16(input1), vldrbq_s16(input2)));
    input1 += 8;
    input2 += 8;
    output += 8;
  }
  const mve_pred16_t rest = vctp16q((uint32_t)p.n_elements % 8);
  vstrbq_p_s16(output, sum_of(&p, vldrbq_z_s16(input1, rest), vldrbq_z_s16(input2, rest)), rest);
}
