#include "conv_2d/conv_2d_float.h"

void anvil_conv_2d_float32_direct__scalar(const anvil_conv_2d_float32_parameters *parameters,
                                          const float *input, const float *weights,
                                          const float *bias, float *output) {
  anvil_conv_2d_float(parameters, input, weights, bias, output, anvil_add_float32_products);
}
