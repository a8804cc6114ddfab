#include "concatenation/concatenation.h"

void anvil_concatenation_int16_copy__scalar(const anvil_concatenation_int16_parameters *parameters,
                                            const int16_t *input, int16_t *output) {
  const anvil_concatenation_int16_parameters p = *parameters;
  for (int32_t row = 0; row < p.n_rows; ++row) {
    int16_t *target = output + row * p.output_row_elements + p.output_offset;
    for (int32_t i = 0; i < p.row_elements; ++i) {
      target[i] = *input++;
    }
  }
}
