/* DEPTHWISE_CONV_2D on WebAssembly's vectors, with constants in the layout pair_blocks,
 * windows column by column. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_SIMD128_H
#define ANVIL_DEPTHWISE_CONV_2D_SIMD128_H

#include "depthwise_conv_2d/depthwise_conv_2d.h"

/* scale and away rescale each output channel's sum, see common/pair_blocks__simd128.h. */
void anvil_depthwise_conv_2d_int8_columns__simd128(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const double *scale, const double *away,
    int8_t *output, void *scratch);

#endif
