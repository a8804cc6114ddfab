/* DEPTHWISE_CONV_2D on AArch64, weights as plan/layouts/neon_taps.py packs them. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_NEON_H
#define ANVIL_DEPTHWISE_CONV_2D_NEON_H

#include "depthwise_conv_2d/depthwise_conv_2d.h"

/* One output channel for each input channel, of which there are at least 8. channels: for each
 * block their biases, multipliers and shifts. scratch: offsets of the taps, twice, and a pixel. */
void anvil_depthwise_conv_2d_int8_blocks__neon(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *channels, int8_t *output, void *scratch);

#endif
