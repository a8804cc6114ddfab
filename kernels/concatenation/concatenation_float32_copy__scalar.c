#include "concatenation/concatenation.h"

void anvil_concatenation_float32_copy__scalar(
    const anvil_concatenation_float32_parameters *parameters, const float *input, float *output) {
  const anvil_concatenation_float32_parameters p = *parameters;
  for (int32_t row = 0; row < p.n_rows; ++row) {
    float *target = output + row * p.output_row_elements + p.output_offset;
    for (int32_t i = 0; i < p.row_elements; ++i) {
      target[i] = *input++;
    }
  }
}
