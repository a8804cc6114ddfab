#include "common/channels__m0.h"
#include "fully_connected/fully_connected__m0.h"

void anvil_fully_connected_int8_rows__m0(
    const anvil_fully_connected_int8_rows_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *records, int8_t *output) {
  const anvil_fully_connected_int8_rows_parameters *const p = parameters;
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    anvil_m0_channels(input, output, &p->depth, weights, records);
    input += p->depth;
    output += p->units;
  }
}
