/* RELU and RELU6. */
#ifndef ANVIL_RELU_H
#define ANVIL_RELU_H

#include <stdint.h>

/* int16 tensors have the zero point 0. */
typedef struct {
  int32_t n_elements;
  int32_t multiplier; /* see common/requantize.h */
  int32_t shift;
  int32_t output_min;
  int32_t output_max;
} anvil_relu_int16_parameters;

typedef struct {
  int32_t n_elements;
  float output_min;
  float output_max;
} anvil_relu_float32_parameters;

void anvil_relu_int16_clamp__scalar(const anvil_relu_int16_parameters *parameters,
                                    const int16_t *input, int16_t *output);

void anvil_relu_float32_clamp__scalar(const anvil_relu_float32_parameters *parameters,
                                      const float *input, float *output);

#endif
