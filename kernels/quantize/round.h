/* The rounding of QUANTIZE from float32. */
#ifndef ANVIL_QUANTIZE_ROUND_H
#define ANVIL_QUANTIZE_ROUND_H

#include <stdint.h>

/* The nearest integer, halves away from zero, at most `far` from 0; 0 for a NaN.
 *
 * `far` is more steps than the output has, so that every zero point saturates there; the
 * conversion to an integer would be undefined somewhere beyond. The remainder is exact, so that
 * nothing here depends on the compiler's way to contract floating-point expressions. */
static inline int32_t anvil_round_steps(float steps, int32_t far) {
  if (steps != steps) {
    return 0;
  }
  if (steps >= (float)far) {
    return far;
  }
  if (steps <= (float)-far) {
    return -far;
  }
  const int32_t whole = (int32_t)steps;
  const float remainder = steps - (float)whole;
  if (remainder >= 0.5f) {
    return whole + 1;
  }
  return remainder <= -0.5f ? whole - 1 : whole;
}

#endif
