/* LOGISTIC: 1 / (1 + exp(-x)). */
#ifndef ANVIL_LOGISTIC_H
#define ANVIL_LOGISTIC_H

#include <stdint.h>

typedef struct {
  int32_t n_elements;
  int32_t multiplier; /* with the shift, from the input's scale to 1 / 12288 */
  int32_t shift;      /* to the right */
} anvil_logistic_int16_parameters;

typedef struct {
  int32_t n_elements;
} anvil_logistic_float32_parameters;

/* sigmoid: 1 / (1 + exp(-i / 24)) - 1 / 2 for i = 0 to 255, in Q0.16. */
void anvil_logistic_int16_table__scalar(const anvil_logistic_int16_parameters *parameters,
                                        const int16_t *input, const int16_t *sigmoid,
                                        int16_t *output);

void anvil_logistic_float32_direct__scalar(const anvil_logistic_float32_parameters *parameters,
                                           const float *input, float *output);

#endif
