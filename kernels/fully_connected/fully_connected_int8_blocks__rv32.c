#include "common/blocks__rv32.h"
#include "fully_connected/fully_connected__rv32.h"

void anvil_fully_connected_int8_blocks__rv32(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int32_t *blocks, int8_t *output) {
  const anvil_fully_connected_int8_parameters p = *parameters;
  const anvil_bounds bounds = {p.output_min, p.output_max};
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    anvil_outputs_of_1(input, p.depth, blocks, p.units, bounds, output);
    input += p.depth;
    output += p.units;
  }
}
