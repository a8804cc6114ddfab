/* AVERAGE_POOL_2D for Cortex-M cores with the DSP extension. */
#ifndef ANVIL_AVERAGE_POOL_2D_DSP_H
#define ANVIL_AVERAGE_POOL_2D_DSP_H

#include "average_pool_2d/average_pool_2d.h"

/* At most 255 pixels in a window. */
void anvil_average_pool_2d_int8_channels__dsp(
    const anvil_average_pool_2d_int8_parameters *parameters, const int8_t *input, int8_t *output);

#endif
