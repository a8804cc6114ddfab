/* DEQUANTIZE from int8 and int16 to float32. */
#ifndef ANVIL_DEQUANTIZE_H
#define ANVIL_DEQUANTIZE_H

#include <stdint.h>

typedef struct {
  int32_t n_elements;
  float scale;
  int32_t zero_point;
} anvil_dequantize_int8_parameters;

/* int16 tensors have the zero point 0. */
typedef struct {
  int32_t n_elements;
  float scale;
} anvil_dequantize_int16_parameters;

void anvil_dequantize_int8_to_float32__scalar(const anvil_dequantize_int8_parameters *parameters,
                                              const int8_t *input, float *output);

void anvil_dequantize_int16_to_float32__scalar(const anvil_dequantize_int16_parameters *parameters,
                                               const int16_t *input, float *output);

#endif
