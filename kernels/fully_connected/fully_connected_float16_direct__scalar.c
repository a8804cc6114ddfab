#include "fully_connected/fully_connected_float.h"

void anvil_fully_connected_float16_direct__scalar(
    const anvil_fully_connected_float16_parameters *parameters, const float *input,
    const uint16_t *weights, const float *bias, float *output) {
  anvil_fully_connected_float(parameters, input, weights, bias, output, anvil_add_float16_products);
}
