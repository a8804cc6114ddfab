#include <arm_neon.h>

#include "fully_connected/fully_connected__dotprod.h"
#include "fully_connected/rows__neon.h"

static inline __attribute__((always_inline)) void add_step(int32x4_t *sums, int8x16_t values,
                                                           const int8_t *weights) {
#pragma GCC unroll 8
  for (int unit = 0; unit < ANVIL_UNITS; ++unit) {
    sums[unit] = vdotq_s32(sums[unit], vld1q_s8(weights + ANVIL_STEP * unit), values);
  }
}

void anvil_fully_connected_int8_rows__dotprod(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int64_t *scales, int8_t *output) {
  anvil_compute_rows(parameters, add_step, input, weights, bias, scales, output);
}
