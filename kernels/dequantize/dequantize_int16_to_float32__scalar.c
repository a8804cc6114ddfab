#include "dequantize/dequantize.h"

void anvil_dequantize_int16_to_float32__scalar(const anvil_dequantize_int16_parameters *parameters,
                                               const int16_t *input, float *output) {
  const anvil_dequantize_int16_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    output[i] = p.scale * (float)input[i];
  }
}
