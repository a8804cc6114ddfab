/* ADD on AArch64, two inputs of one shape; see plan/layouts/add_vectors.py. */
#ifndef ANVIL_ADD_NEON_H
#define ANVIL_ADD_NEON_H

#include "add/add.h"

/* output = saturate8((input1 * multiplier1 + input2 * multiplier2 + start) / 2^16 * 2^last_shift),
 * both quotients rounded down */
typedef struct {
  int32_t n_elements;
  int32_t multiplier1;
  int32_t multiplier2;
  int32_t start;
  int32_t last_shift; /* below 0: to the right */
} anvil_add_int8_linear_parameters;

void anvil_add_int8_linear__neon(const anvil_add_int8_linear_parameters *parameters,
                                 const int8_t *input1, const int8_t *input2, int8_t *output);

/* Two inputs of one shape; loops: the number of elements comes first. */
void anvil_add_int8_equal__neon(const anvil_add_int8_parameters *parameters, const int8_t *input1,
                                const int8_t *input2, const int32_t *loops, int8_t *output);

#endif
