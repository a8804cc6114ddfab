/* The exponential of a float, the same bits on every target: no C library takes part. */
#ifndef ANVIL_COMMON_EXPONENTIAL_H
#define ANVIL_COMMON_EXPONENTIAL_H

#include <stdint.h>

/* 2^exponent for -126 <= exponent <= 127. */
static inline float anvil_power_of_two(int32_t exponent) {
  union {
    uint32_t bits;
    float value;
  } result;
  result.bits = (uint32_t)(exponent + 127) << 23;
  return result.value;
}

/* exp(x), within two units of the last place; subnormal results within one of theirs. A NaN
 * stays one.
 *
 * x = n * log(2) + rest with |rest| <= log(2) / 2, where eight terms of the series leave an
 * error below 2^-27; exp(x) = 2^n * exp(rest). */
static inline float anvil_exp(float x) {
  if (x != x) {
    return x;
  }
  if (x > 89.0f) {
    x = 89.0f; /* overflows to infinity below */
  }
  if (x < -104.0f) {
    return 0.0f;
  }
  const float turns = x * 1.44269504f;
  const int32_t n = (int32_t)(turns < 0.0f ? turns - 0.5f : turns + 0.5f);
  /* log(2) in two parts: the first has nine bits, so that its product is exact. */
  const float rest = (x - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
  float series = 1.0f / 5040.0f;
  series = series * rest + 1.0f / 720.0f;
  series = series * rest + 1.0f / 120.0f;
  series = series * rest + 1.0f / 24.0f;
  series = series * rest + 1.0f / 6.0f;
  series = series * rest + 0.5f;
  /* The two largest terms last, so that their sum is rounded once. */
  series = series * rest * rest + rest + 1.0f;
  /* In two steps: n reaches beyond the exponents of normal numbers on both sides. */
  return series * anvil_power_of_two(n / 2) * anvil_power_of_two(n - n / 2);
}

#endif
