/* ADD on MVE. */
#ifndef ANVIL_ADD_MVE_H
#define ANVIL_ADD_MVE_H

#include <stdint.h>

/* output = saturate8((first * multiplier1 + second * multiplier2 + start) / 2^16 * 2^last_shift),
 * both rounded down. */
typedef struct {
  int32_t n_elements;
  int32_t multiplier1;
  int32_t multiplier2;
  int32_t start;      /* zero points and one half */
  int32_t last_shift; /* below 0: to the right */
} anvil_add_int8_vectors_parameters;

void anvil_add_int8_vectors__mve(const anvil_add_int8_vectors_parameters *parameters,
                                 const int8_t *input1, const int8_t *input2, int8_t *output);

#endif
