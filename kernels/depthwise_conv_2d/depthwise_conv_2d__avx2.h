/* DEPTHWISE_CONV_2D on AVX2, with constants in the layout byte_columns. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_AVX2_H
#define ANVIL_DEPTHWISE_CONV_2D_AVX2_H

#include "depthwise_conv_2d/depthwise_conv_2d.h"

void anvil_depthwise_conv_2d_int8_columns__avx2(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int64_t *rounding,
    const int32_t *shift, int8_t *output, void *scratch);

#endif
