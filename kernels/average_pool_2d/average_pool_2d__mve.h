/* AVERAGE_POOL_2D on MVE. */
#ifndef ANVIL_AVERAGE_POOL_2D_MVE_H
#define ANVIL_AVERAGE_POOL_2D_MVE_H

#include "average_pool_2d/average_pool_2d.h"

/* Windows of at most 255 pixels. */
void anvil_average_pool_2d_int8_lanes__mve(const anvil_average_pool_2d_int8_parameters *parameters,
                                           const int8_t *input, int8_t *output);

#endif
