/* CONV_2D on MVE, with constants in the layout dot_blocks. */
#ifndef ANVIL_CONV_2D_MVE_H
#define ANVIL_CONV_2D_MVE_H

#include "conv_2d/conv_2d.h"

void anvil_conv_2d_int8_pairs__mve(const anvil_conv_2d_int8_parameters *parameters,
                                   const int8_t *input, const int32_t *blocks, int8_t *output,
                                   void *scratch);

#endif
