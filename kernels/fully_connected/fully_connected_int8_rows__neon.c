#include <arm_neon.h>

#include "fully_connected/fully_connected__neon.h"
#include "fully_connected/rows__neon.h"

/* Two products of a lane stay within 16 bits, as the layout has proved. */
static inline __attribute__((always_inline)) void add_step(int32x4_t *sums, int8x16_t values,
                                                           const int8_t *weights) {
#pragma GCC unroll 8
  for (int unit = 0; unit < ANVIL_UNITS; ++unit) {
    const int8x16_t row = vld1q_s8(weights + ANVIL_STEP * unit);
    int16x8_t products = vmull_s8(vget_low_s8(row), vget_low_s8(values));
    products = vmlal_high_s8(products, row, values);
    sums[unit] = vpadalq_s16(sums[unit], products);
  }
}

void anvil_fully_connected_int8_rows__neon(const anvil_fully_connected_int8_parameters *parameters,
                                           const int8_t *input, const int8_t *weights,
                                           const int32_t *bias, const int64_t *scales,
                                           int8_t *output) {
  anvil_compute_rows(parameters, add_step, input, weights, bias, scales, output);
}
