#include <arm_acle.h>

#include "add/add__dsp.h"

#define STEP_BITS 21
/* Bytes 1 and 3 of a word as halfwords times 2^8, which SMLAWx takes away again. */
#define HIGH_BYTES 0xFF00FF00u

static uint32_t load(const int8_t *bytes) {
  uint32_t word;
  __builtin_memcpy(&word, bytes, sizeof word);
  return word;
}

void anvil_add_int8_equal__dsp(const anvil_add_int8_equal_parameters *parameters,
                               const int8_t *input1, const int8_t *input2, int8_t *output) {
  const int32_t m1 = parameters->multiplier1;
  const int32_t m2 = parameters->multiplier2;
  const int32_t start = parameters->start;
  int32_t n = parameters->n_elements;

  for (; n >= 4; n -= 4) {
    const uint32_t first = load(input1);
    const uint32_t second = load(input2);
    const int32_t even1 = (int32_t)(first << 8 & HIGH_BYTES);
    const int32_t even2 = (int32_t)(second << 8 & HIGH_BYTES);
    const int32_t odd1 = (int32_t)(first & HIGH_BYTES);
    const int32_t odd2 = (int32_t)(second & HIGH_BYTES);
    const int32_t sum0 = __smlawb(m2, even2, __smlawb(m1, even1, start));
    const int32_t sum1 = __smlawb(m2, odd2, __smlawb(m1, odd1, start));
    const int32_t sum2 = __smlawt(m2, even2, __smlawt(m1, even1, start));
    const int32_t sum3 = __smlawt(m2, odd2, __smlawt(m1, odd1, start));
    output[0] = (int8_t)__ssat(sum0 >> STEP_BITS, 8);
    output[1] = (int8_t)__ssat(sum1 >> STEP_BITS, 8);
    output[2] = (int8_t)__ssat(sum2 >> STEP_BITS, 8);
    output[3] = (int8_t)__ssat(sum3 >> STEP_BITS, 8);
    input1 += 4;
    input2 += 4;
    output += 4;
  }
  for (; n > 0; --n) {
    const int32_t sum = __smlawb(m2, *input2++ * 256, __smlawb(m1, *input1++ * 256, start));
    *output++ = (int8_t)__ssat(sum >> STEP_BITS, 8);
  }
}
