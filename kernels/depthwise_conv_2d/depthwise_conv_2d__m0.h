/* DEPTHWISE_CONV_2D on Cortex-M cores without the DSP extension. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_M0_H
#define ANVIL_DEPTHWISE_CONV_2D_M0_H

#include "common/pixels__m0.h"

void anvil_depthwise_conv_2d_int8_rows__m0(const anvil_m0_convolution *parameters,
                                           const int8_t *input, const int8_t *weights,
                                           const int32_t *records, int8_t *output, void *scratch);

/* An anvil_m0_pixel. A row of weights is a channel's, `depth` taps with those of zero that make
 * them a multiple of three; records as channels__m0.h has them. */
void anvil_m0_taps(const int8_t **taps, int8_t *output, const anvil_m0_convolution *convolution,
                   const int8_t *weights, const int32_t *records);

#endif
