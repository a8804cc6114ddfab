/* ADD with broadcasting. */
#ifndef ANVIL_ADD_H
#define ANVIL_ADD_H

#include <stdint.h>

typedef struct {
  int32_t n_rows;  /* runs of the innermost loop */
  int32_t n_loops; /* at least 1 */
  int32_t input1_zero_point;
  int32_t input1_multiplier; /* to the common scale, see common/requantize.h; shifts <= 0 */
  int32_t input1_shift;
  int32_t input2_zero_point;
  int32_t input2_multiplier;
  int32_t input2_shift;
  int32_t output_zero_point;
  int32_t output_multiplier;
  int32_t output_shift;
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
} anvil_add_int8_parameters;

/* int16 tensors have the zero point 0. */
typedef struct {
  int32_t n_rows;
  int32_t n_loops;
  int32_t input1_multiplier; /* shifts <= 0 */
  int32_t input1_shift;
  int32_t input2_multiplier;
  int32_t input2_shift;
  int32_t output_multiplier;
  int32_t output_shift;
  int32_t output_min;
  int32_t output_max;
} anvil_add_int16_parameters;

typedef struct {
  int32_t n_rows;
  int32_t n_loops;
  float output_min;
  float output_max;
} anvil_add_float32_parameters;

/* loops: {extent, stride of input1, stride of input2} each, see common/loops.h. */
void anvil_add_int8_broadcast__scalar(const anvil_add_int8_parameters *parameters,
                                      const int8_t *input1, const int8_t *input2,
                                      const int32_t *loops, int8_t *output);

void anvil_add_int16_broadcast__scalar(const anvil_add_int16_parameters *parameters,
                                       const int16_t *input1, const int16_t *input2,
                                       const int32_t *loops, int16_t *output);

void anvil_add_float32_broadcast__scalar(const anvil_add_float32_parameters *parameters,
                                         const float *input1, const float *input2,
                                         const int32_t *loops, float *output);

#endif
