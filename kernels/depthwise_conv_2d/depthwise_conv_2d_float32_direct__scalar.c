#include "depthwise_conv_2d/depthwise_conv_2d_float.h"

void anvil_depthwise_conv_2d_float32_direct__scalar(
    const anvil_depthwise_conv_2d_float32_parameters *parameters, const float *input,
    const float *weights, const float *bias, float *output) {
  anvil_depthwise_conv_2d_float(parameters, input, weights, bias, output,
                                anvil_add_float32_products);
}
