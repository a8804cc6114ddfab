/* Convolutions of 3x3 with stride 1 by Winograd's F(2x2, 3x3), in whole numbers, on AVX2. */
#ifndef ANVIL_CONV_2D_WINOGRAD_AVX2_H
#define ANVIL_CONV_2D_WINOGRAD_AVX2_H

#include "common/channel_blocks__avx2.h"
#include "conv_2d/conv_2d__avx2.h"

/* Whether a convolution is one that this computes, and, where there is no vpdpbusd, faster than
 * window by window: of few outputs the spread weights are the larger part, and of one row or column
 * half of each tile is for nothing. The scratch memory in kernels.yaml has the same conditions. */
ANVIL_AVX2_INLINE int anvil_fits_winograd(const anvil_conv_2d_int8_bytes_parameters *p) {
  return p->filter_h == 3 && p->filter_w == 3 && p->stride_h == 1 && p->stride_w == 1 &&
         p->dilation_h == 1 && p->dilation_w == 1 && p->output_h > 1 && p->output_w > 1 &&
         p->output_h * p->output_w >= 32 && p->output_channels > ANVIL_HALF &&
         p->input_channels % ANVIL_BLOCK == 0 && p->input_channels <= 256;
}

void anvil_conv_2d_int8_winograd__avx2(const anvil_conv_2d_int8_bytes_parameters *parameters,
                                       const anvil_channels *channels, const int8_t *input,
                                       int8_t *output, void *scratch);

#endif
