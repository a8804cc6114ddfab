/* CONV_2D on Cortex-M cores without the DSP extension. */
#ifndef ANVIL_CONV_2D_M0_H
#define ANVIL_CONV_2D_M0_H

#include "common/pixels__m0.h"

void anvil_conv_2d_int8_rows__m0(const anvil_m0_convolution *parameters, const int8_t *input,
                                 const int8_t *weights, const int32_t *records, int8_t *output,
                                 void *scratch);

#endif
