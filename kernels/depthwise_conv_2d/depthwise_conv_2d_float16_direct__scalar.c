#include "depthwise_conv_2d/depthwise_conv_2d_float.h"

void anvil_depthwise_conv_2d_float16_direct__scalar(
    const anvil_depthwise_conv_2d_float16_parameters *parameters, const float *input,
    const uint16_t *weights, const float *bias, float *output) {
  anvil_depthwise_conv_2d_float(parameters, input, weights, bias, output,
                                anvil_add_float16_products);
}
