/* AVERAGE_POOL_2D on AArch64. */
#ifndef ANVIL_AVERAGE_POOL_2D_NEON_H
#define ANVIL_AVERAGE_POOL_2D_NEON_H

#include "average_pool_2d/average_pool_2d.h"

/* At least 16 channels, windows of at most 256 pixels. */
void anvil_average_pool_2d_int8_channels__neon(
    const anvil_average_pool_2d_int8_parameters *parameters, const int8_t *input, int8_t *output);

#endif
