/* DEPTHWISE_CONV_2D on MVE, with constants in the layout lane_taps. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_MVE_H
#define ANVIL_DEPTHWISE_CONV_2D_MVE_H

#include "depthwise_conv_2d/depthwise_conv_2d.h"

void anvil_depthwise_conv_2d_int8_lanes__mve(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int32_t *blocks, int8_t *output, void *scratch);

#endif
