/* MEAN over any axes. */
#ifndef ANVIL_MEAN_H
#define ANVIL_MEAN_H

#include <stdint.h>

typedef struct {
  int32_t n_outputs;
  int32_t n_output_loops; /* at least 1 */
  int32_t n_sum_rows;     /* runs of the innermost loop of a sum */
  int32_t n_sum_loops;    /* at least 1 */
  int32_t sum_offset;     /* -input zero point * elements of a sum */
  int32_t multiplier;     /* holds the division by the elements of a sum */
  int32_t shift;
  int32_t output_zero_point;
} anvil_mean_int8_parameters;

/* int16 tensors have the zero point 0. */
typedef struct {
  int32_t n_outputs;
  int32_t n_output_loops;
  int32_t n_sum_rows;
  int32_t n_sum_loops;
  int32_t multiplier;
  int32_t shift;
} anvil_mean_int16_parameters;

typedef struct {
  int32_t n_outputs;
  int32_t n_output_loops;
  int32_t n_sum_rows;
  int32_t n_sum_loops;
  int32_t n_reduced; /* elements of a sum */
} anvil_mean_float32_parameters;

/* Both tables of loops: {extent, stride of input} each, see common/loops.h. */
void anvil_mean_int8_strided__scalar(const anvil_mean_int8_parameters *parameters,
                                     const int8_t *input, const int32_t *output_loops,
                                     const int32_t *sum_loops, int8_t *output);

void anvil_mean_int16_strided__scalar(const anvil_mean_int16_parameters *parameters,
                                      const int16_t *input, const int32_t *output_loops,
                                      const int32_t *sum_loops, int16_t *output);

void anvil_mean_float32_strided__scalar(const anvil_mean_float32_parameters *parameters,
                                        const float *input, const int32_t *output_loops,
                                        const int32_t *sum_loops, float *output);

#endif
