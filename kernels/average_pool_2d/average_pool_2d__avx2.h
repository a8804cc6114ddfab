/* AVERAGE_POOL_2D on AVX2. */
#ifndef ANVIL_AVERAGE_POOL_2D_AVX2_H
#define ANVIL_AVERAGE_POOL_2D_AVX2_H

#include "average_pool_2d/average_pool_2d.h"

void anvil_average_pool_2d_int8_channels__avx2(
    const anvil_average_pool_2d_int8_parameters *parameters, const int8_t *input, int8_t *output);

#endif
