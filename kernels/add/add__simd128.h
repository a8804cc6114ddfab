/* ADD on WebAssembly's vectors, two inputs of one shape; see plan/layouts/add_vectors.py. */
#ifndef ANVIL_ADD_SIMD128_H
#define ANVIL_ADD_SIMD128_H

#include <stdint.h>

/* output = saturate8((input1 * multiplier1 + input2 * multiplier2 + start) / 2^(16 - last_shift)),
 * rounded down */
typedef struct {
  int32_t n_elements;
  int32_t multiplier1;
  int32_t multiplier2;
  int32_t start;
  int32_t last_shift;
} anvil_add_int8_linear_parameters;

void anvil_add_int8_linear__simd128(const anvil_add_int8_linear_parameters *parameters,
                                    const int8_t *input1, const int8_t *input2, int8_t *output);

#endif
