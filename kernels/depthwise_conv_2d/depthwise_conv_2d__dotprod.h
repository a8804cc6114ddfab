/* DEPTHWISE_CONV_2D on AArch64 with dot products, weights as plan/layouts/neon_taps.py packs them.
 */
#ifndef ANVIL_DEPTHWISE_CONV_2D_DOTPROD_H
#define ANVIL_DEPTHWISE_CONV_2D_DOTPROD_H

#include "depthwise_conv_2d/depthwise_conv_2d.h"

/* 3x3 without steps along the width or dilation, one output channel for each input channel, of
 * which there are at least 8. channels: for each block their biases, multipliers and shifts.
 * scratch: offsets of 12 taps, twice, and two pixels. */
void anvil_depthwise_conv_2d_int8_3x3__dotprod(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *channels, int8_t *output, void *scratch);

#endif
