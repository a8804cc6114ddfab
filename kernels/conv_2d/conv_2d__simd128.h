/* CONV_2D on WebAssembly's vectors, with constants in the layout pair_blocks. */
#ifndef ANVIL_CONV_2D_SIMD128_H
#define ANVIL_CONV_2D_SIMD128_H

#include "conv_2d/conv_2d.h"

/* scale and away rescale each output channel's sum, see common/pair_blocks__simd128.h. */
void anvil_conv_2d_int8_blocks__simd128(const anvil_conv_2d_int8_parameters *parameters,
                                        const int8_t *input, const int8_t *weights,
                                        const int32_t *bias, const double *scale,
                                        const double *away, int8_t *output, void *scratch);

/* Likewise, with each row of a window in whole pairs. */
void anvil_conv_2d_int8_rows__simd128(const anvil_conv_2d_int8_parameters *parameters,
                                      const int8_t *input, const int8_t *weights,
                                      const int32_t *bias, const double *scale, const double *away,
                                      int8_t *output, void *scratch);

#endif
