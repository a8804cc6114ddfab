/* CONV_2D on AArch64 with dot products, weights as plan/layouts/neon_blocks.py packs them. */
#ifndef ANVIL_CONV_2D_DOTPROD_H
#define ANVIL_CONV_2D_DOTPROD_H

#include "conv_2d/conv_2d.h"

/* channels: for each block of output channels their biases, multipliers and shifts. scratch: four
 * windows, each filled up to a multiple of 4 bytes. */
void anvil_conv_2d_int8_blocks__dotprod(const anvil_conv_2d_int8_parameters *parameters,
                                        const int8_t *input, const int8_t *weights,
                                        const int32_t *channels, int8_t *output, void *scratch);

#endif
