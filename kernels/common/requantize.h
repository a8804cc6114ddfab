/* Fixed-point rescaling of int32 and int64 accumulators, as TFLite's reference kernels define it.
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

/* value * multiplier * 2^(shift - 15), halves up; the low 32 bits of it. |value| <= 2^47,
 * 0 <= multiplier < 2^15, -31 <= shift <= 7. */
static inline int32_t anvil_requantize_wide(int64_t value, int32_t multiplier, int32_t shift) {
  const int32_t bits = 15 - shift;
  const int64_t product = value * multiplier + ((int64_t)1 << (bits - 1));
  return (int32_t)(product >> bits);
}

/* round((double)(product / 2^exponent)), halves away from zero; 2^61 <= product < 2^63, and the
 * bits that a product has beyond its integer part may be cut off.
 *
 * A double has 53 bits, so that a product just below a half may be rounded up to it and then
 * away from zero. Adding half of the 53rd bit before the halves are looked for does the same:
 * a half itself has few bits, hence a product in the middle, which goes to the even
 * neighbour, goes to it. */
static inline int32_t anvil_round_product(uint64_t product, int32_t exponent) {
  if (exponent > 64) {
    return 0;
  }
  const uint64_t half_bit = product >> 62 != 0 ? 512 : 256;
  const uint64_t halves = (product + half_bit) >> (exponent - 1);
  return (int32_t)((halves + 1) >> 1);
}

/* round((double)value * scale), halves away from zero, in integers; the result must fit.
 *
 * scale is (multiplier * 2^31 + multiplier_low) * 2^(shift - 62), exactly: 2^30 <= multiplier,
 * 0 <= multiplier_low < 2^31 with its last 9 bits zero, shift <= 30. */
static inline int32_t anvil_rescale_once(int32_t value, int32_t multiplier, int32_t multiplier_low,
                                         int32_t shift) {
  if (value == 0) {
    return 0;
  }
  const uint32_t magnitude = value < 0 ? 0 - (uint32_t)value : (uint32_t)value;
  const int32_t leading = __builtin_clz(magnitude);
  const uint32_t normal = magnitude << leading;
  const uint64_t product =
      (uint64_t)normal * (uint32_t)multiplier + ((uint64_t)normal * (uint32_t)multiplier_low >> 31);
  const int32_t rounded = anvil_round_product(product, 31 - shift + leading);
  return value < 0 ? -rounded : rounded;
}

/* anvil_rescale_once of a value that needs up to 53 bits. */
static inline int32_t anvil_rescale_once_wide(int64_t value, int32_t multiplier,
                                              int32_t multiplier_low, int32_t shift) {
  if (value == 0) {
    return 0;
  }
  const uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  const int32_t leading = __builtin_clzll(magnitude);
  const uint64_t normal = magnitude << leading;
  const uint64_t high = normal >> 32;
  const uint64_t low = (uint32_t)normal;
  /* The upper 63 bits of the product of 64 and 62 bits, from its four partial products. */
  const uint64_t lowest = low * (uint32_t)multiplier + (low * (uint32_t)multiplier_low >> 31);
  const uint64_t middle = high * (uint32_t)multiplier_low + (lowest >> 1);
  const uint64_t product = high * (uint32_t)multiplier + (middle >> 31);
  const int32_t rounded = anvil_round_product(product, leading - 1 - shift);
  return value < 0 ? -rounded : rounded;
}

/* A rescaled sum as an int8 output. The addition wraps around, as TFLite's does. */
static inline int8_t anvil_narrow(int32_t scaled, int32_t zero_point, int32_t least,
                                  int32_t greatest) {
  return (int8_t)anvil_clamp((int32_t)((uint32_t)scaled + (uint32_t)zero_point), least, greatest);
}

#endif
