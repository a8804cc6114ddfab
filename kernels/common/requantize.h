/* Fixed-point rescaling of int32 accumulators, as TFLite's reference kernels define it.
 *
 * Right shifts of negative values are taken to be arithmetic, and conversions to int32_t to
 * keep the low 32 bits; C99 leaves both to the compiler, and every compiler Anvil uses
 * does so. */
#ifndef ANVIL_COMMON_REQUANTIZE_H
#define ANVIL_COMMON_REQUANTIZE_H

#include <stdint.h>

/* `value`, or the bound that it lies beyond. */
static inline int32_t anvil_clamp(int32_t value, int32_t least, int32_t greatest) {
  if (value < least) {
    return least;
  }
  return value > greatest ? greatest : value;
}

/* round(a * b / 2^31), halves up. Saturates in the one case that does not fit, when both
 * are INT32_MIN. */
static inline int32_t anvil_rounding_doubling_high_mul(int32_t a, int32_t b) {
  if (a == INT32_MIN && b == INT32_MIN) {
    return INT32_MAX;
  }
  const int64_t product = (int64_t)a * b;
  return (int32_t)((product + ((int64_t)1 << 30)) >> 31);
}

/* round(value / 2^exponent), halves away from zero; 0 <= exponent <= 31. */
static inline int32_t anvil_rounding_shift_right(int32_t value, int32_t exponent) {
  const int32_t mask = (int32_t)(((uint32_t)1 << exponent) - 1);
  const int32_t threshold = (mask >> 1) + (value < 0 ? 1 : 0);
  return (value >> exponent) + ((value & mask) > threshold ? 1 : 0);
}

/* value * multiplier * 2^(shift - 31), rounded twice: after the multiplication and after
 * the right shift. multiplier >= 0; a positive shift is a left shift, which wraps around. */
static inline int32_t anvil_requantize(int32_t value, int32_t multiplier, int32_t shift) {
  const int32_t left = shift > 0 ? shift : 0;
  const int32_t right = shift > 0 ? 0 : -shift;
  const int32_t shifted = (int32_t)((uint32_t)value << left);
  const int64_t product = (int64_t)shifted * multiplier;
  const int32_t high = (int32_t)((product + ((int64_t)1 << 30)) >> 31);
  return anvil_rounding_shift_right(high, right);
}

/* value * multiplier * 2^(shift - 31), rounded once, halves away from zero. multiplier >= 0
 * and -31 <= shift <= 30; the result must fit. */
static inline int32_t anvil_requantize_once(int32_t value, int32_t multiplier, int32_t shift) {
  const int32_t exponent = 31 - shift;
  const int64_t product = (int64_t)value * multiplier;
  const int64_t half = (int64_t)1 << (exponent - 1);
  return (int32_t)((product + half - (product < 0 ? 1 : 0)) >> exponent);
}

/* A rescaled sum as an int8 output. The addition wraps around, as TFLite's does. */
static inline int8_t anvil_narrow(int32_t scaled, int32_t zero_point, int32_t least,
                                  int32_t greatest) {
  return (int8_t)anvil_clamp((int32_t)((uint32_t)scaled + (uint32_t)zero_point), least, greatest);
}

#endif
