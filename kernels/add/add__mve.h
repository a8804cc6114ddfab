/* ADD on MVE. */
#ifndef ANVIL_ADD_MVE_H
#define ANVIL_ADD_MVE_H

#include <stdint.h>

/* output = saturate8(first * multiplier1 + second * multiplier2 + start, 2^20 to a step). */
typedef struct {
  int32_t n_elements;
  int32_t multiplier1;
  int32_t multiplier2;
  int32_t start; /* zero points and one half */
} anvil_add_int8_vectors_parameters;

void anvil_add_int8_vectors__mve(const anvil_add_int8_vectors_parameters *parameters,
                                 const int8_t *input1, const int8_t *input2, int8_t *output);

#endif
