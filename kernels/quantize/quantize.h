/* QUANTIZE from float32, and between int8 and int16. */
#ifndef ANVIL_QUANTIZE_H
#define ANVIL_QUANTIZE_H

#include <stdint.h>

typedef struct {
  int32_t n_elements;
  float scale;
  int32_t zero_point;
  int32_t output_bits; /* 8 or 16 */
} anvil_quantize_float32_parameters;

typedef struct {
  int32_t n_elements;
  int32_t input_zero_point;
  int32_t multiplier; /* see common/requantize.h */
  int32_t shift;
  int32_t output_zero_point;
  int32_t output_bits; /* 8 or 16 */
} anvil_quantize_int16_parameters;

typedef anvil_quantize_int16_parameters anvil_quantize_int8_parameters;

void anvil_quantize_float32_to_int8__scalar(const anvil_quantize_float32_parameters *parameters,
                                            const float *input, int8_t *output);

void anvil_quantize_float32_to_int16__scalar(const anvil_quantize_float32_parameters *parameters,
                                             const float *input, int16_t *output);

void anvil_quantize_int8_to_int16__scalar(const anvil_quantize_int8_parameters *parameters,
                                          const int8_t *input, int16_t *output);

void anvil_quantize_int16_to_int8__scalar(const anvil_quantize_int16_parameters *parameters,
                                          const int16_t *input, int8_t *output);

void anvil_quantize_int16_to_int16__scalar(const anvil_quantize_int16_parameters *parameters,
                                           const int16_t *input, int16_t *output);

#endif
