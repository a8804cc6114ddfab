#include "fully_connected/fully_connected_float.h"

void anvil_fully_connected_float32_direct__scalar(
    const anvil_fully_connected_float32_parameters *parameters, const float *input,
    const float *weights, const float *bias, float *output) {
  anvil_fully_connected_float(parameters, input, weights, bias, output, anvil_add_float32_products);
}
