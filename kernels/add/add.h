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

/* loops: {extent, stride of input1, stride of input2} each, see common/loops.h. */
void anvil_add_int8_broadcast__scalar(const anvil_add_int8_parameters *parameters,
                                      const int8_t *input1, const int8_t *input2,
                                      const int32_t *loops, int8_t *output);

#endif
