#include "lookup/lookup.h"

void anvil_lookup_int8_table__scalar(const anvil_lookup_int8_parameters *parameters,
                                     const int8_t *input, const int8_t *table, int8_t *output) {
  const int32_t n_elements = parameters->n_elements;
  for (int32_t i = 0; i < n_elements; ++i) {
    output[i] = table[(uint8_t)input[i]];
  }
}
