/* Sums of products of floats with weights of any kind, in a fixed order. */
#ifndef ANVIL_COMMON_FLOAT_PRODUCTS_H
#define ANVIL_COMMON_FLOAT_PRODUCTS_H

#include <stdint.h>

#include "common/half.h"

/* `sum` plus values[i] * weights[first + i] for i from 0 to n - 1, each rounded, one by one. */
typedef float anvil_add_products(float sum, const float *values, const void *weights, int32_t first,
                                 int32_t n);

static inline float anvil_add_float32_products(float sum, const float *values, const void *weights,
                                               int32_t first, int32_t n) {
  const float *const row = (const float *)weights + first;
  for (int32_t i = 0; i < n; ++i) {
    sum += values[i] * row[i];
  }
  return sum;
}

static inline float anvil_add_float16_products(float sum, const float *values, const void *weights,
                                               int32_t first, int32_t n) {
  const uint16_t *const row = (const uint16_t *)weights + first;
  for (int32_t i = 0; i < n; ++i) {
    sum += values[i] * anvil_half_to_float(row[i]);
  }
  return sum;
}

#endif
