/* SOFTMAX over the last axis. */
#ifndef ANVIL_SOFTMAX_H
#define ANVIL_SOFTMAX_H

#include <stdint.h>

typedef struct {
  int32_t n_rows;
  int32_t depth; /* elements of a row, at most 4095 */
  int32_t n_exponentials;
} anvil_softmax_int8_parameters;

typedef struct {
  int32_t n_rows;
  int32_t depth;      /* at most 65535 */
  int32_t multiplier; /* from a difference of inputs to steps of the table, of 10 / 65535 */
  int32_t shift;      /* see common/requantize.h */
} anvil_softmax_int16_parameters;

typedef struct {
  int32_t n_rows;
  int32_t depth;
  float beta;
} anvil_softmax_float32_parameters;

/* exponentials: of 0, -1, -2, ... steps of the input, in Q0.31; what lies beyond is 0. */
void anvil_softmax_int8_fixed_point__scalar(const anvil_softmax_int8_parameters *parameters,
                                            const int8_t *input, const int32_t *exponentials,
                                            int8_t *output);

/* exponentials: of 513 values from -10 to 0; reciprocals: of 513 values from 1 to 2; both in
 * Q0.15, to be interpolated. */
void anvil_softmax_int16_table__scalar(const anvil_softmax_int16_parameters *parameters,
                                       const int16_t *input, const int16_t *exponentials,
                                       const int16_t *reciprocals, int16_t *output);

void anvil_softmax_float32_direct__scalar(const anvil_softmax_float32_parameters *parameters,
                                          const float *input, float *output);

#endif
