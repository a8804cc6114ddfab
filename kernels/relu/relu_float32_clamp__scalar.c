#include "common/activation.h"
#include "relu/relu.h"

void anvil_relu_float32_clamp__scalar(const anvil_relu_float32_parameters *parameters,
                                      const float *input, float *output) {
  const anvil_relu_float32_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    output[i] = anvil_clamp_float(input[i], p.output_min, p.output_max);
  }
}
