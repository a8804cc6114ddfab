/* ADD on AVX2. */
#ifndef ANVIL_ADD_AVX2_H
#define ANVIL_ADD_AVX2_H

#include "add/add.h"

/* See the layout wide_add; a rounding is the two halves of 64 bits. */
typedef struct {
  int32_t n_elements;
  int32_t input1_multiplier; /* unsigned */
  int32_t input1_rounding_low;
  int32_t input1_rounding_high;
  int32_t input1_threshold;
  int32_t input1_shift;
  int32_t input2_multiplier;
  int32_t input2_rounding_low;
  int32_t input2_rounding_high;
  int32_t input2_threshold;
  int32_t input2_shift;
  int32_t output_multiplier;
  int32_t output_rounding_low;
  int32_t output_rounding_high;
  int32_t output_shift;
  int32_t output_zero_point;
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
} anvil_add_int8_wide_parameters;

/* See the layout add_vectors: output = saturate8((input1 * multiplier1 + input2 * multiplier2 +
 * start) / 2^(16 - last_shift)), rounded down */
typedef struct {
  int32_t n_elements;
  int32_t multiplier1;
  int32_t multiplier2;
  int32_t start;
  int32_t last_shift;
} anvil_add_int8_linear_parameters;

void anvil_add_int8_linear__avx2(const anvil_add_int8_linear_parameters *parameters,
                                 const int8_t *input1, const int8_t *input2, int8_t *output);

void anvil_add_int8_equal__avx2(const anvil_add_int8_wide_parameters *parameters,
                                const int8_t *input1, const int8_t *input2, int8_t *output);

#endif
