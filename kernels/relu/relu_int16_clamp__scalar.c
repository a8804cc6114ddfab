#include "common/requantize.h"
#include "relu/relu.h"

void anvil_relu_int16_clamp__scalar(const anvil_relu_int16_parameters *parameters,
                                    const int16_t *input, int16_t *output) {
  const anvil_relu_int16_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    const int32_t scaled = anvil_requantize(input[i], p.multiplier, p.shift);
    output[i] = (int16_t)anvil_clamp(scaled, p.output_min, p.output_max);
  }
}
