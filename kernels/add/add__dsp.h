/* ADD for Cortex-M cores with the DSP extension. */
#ifndef ANVIL_ADD_DSP_H
#define ANVIL_ADD_DSP_H

#include <stdint.h>

/* output = saturate8(start + first * multiplier1 / 2^8 + second * multiplier2 / 2^8, each product
 * rounded down, then 2^21 to a step). */
typedef struct {
  int32_t n_elements;
  int32_t multiplier1;
  int32_t multiplier2;
  int32_t start; /* zero points and one half */
} anvil_add_int8_equal_parameters;

void anvil_add_int8_equal__dsp(const anvil_add_int8_equal_parameters *parameters,
                               const int8_t *input1, const int8_t *input2, int8_t *output);

#endif
