/* CONV_2D on RV32IM, with constants in the layout high_blocks. */
#ifndef ANVIL_CONV_2D_RV32_H
#define ANVIL_CONV_2D_RV32_H

#include "conv_2d/conv_2d.h"

void anvil_conv_2d_int8_blocks__rv32(const anvil_conv_2d_int8_parameters *parameters,
                                     const int8_t *input, const int32_t *blocks, int8_t *output,
                                     void *scratch);

#endif
