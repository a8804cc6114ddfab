#include "concatenation/concatenation.h"

void anvil_concatenation_int8_copy__scalar(const anvil_concatenation_int8_parameters *parameters,
                                           const int8_t *input, int8_t *output) {
  const anvil_concatenation_int8_parameters p = *parameters;
  for (int32_t row = 0; row < p.n_rows; ++row) {
    int8_t *target = output + row * p.output_row_elements + p.output_offset;
    for (int32_t i = 0; i < p.row_elements; ++i) {
      target[i] = *input++;
    }
  }
}
