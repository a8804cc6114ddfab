/* QUANTIZE from float32 to int8. */
#ifndef ANVIL_QUANTIZE_H
#define ANVIL_QUANTIZE_H

#include <stdint.h>

typedef struct {
  int32_t n_elements;
  float scale;
  int32_t zero_point;
} anvil_quantize_float32_parameters;

void anvil_quantize_float32_to_int8__scalar(const anvil_quantize_float32_parameters *parameters,
                                            const float *input, int8_t *output);

#endif
