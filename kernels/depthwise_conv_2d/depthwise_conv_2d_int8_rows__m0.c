#include "common/pixels__m0.h"
#include "depthwise_conv_2d/depthwise_conv_2d__m0.h"

void anvil_depthwise_conv_2d_int8_rows__m0(const anvil_m0_convolution *parameters,
                                           const int8_t *input, const int8_t *weights,
                                           const int32_t *records, int8_t *output, void *scratch) {
  anvil_m0_pixels(parameters, input, weights, records, output, scratch, anvil_m0_taps);
}
