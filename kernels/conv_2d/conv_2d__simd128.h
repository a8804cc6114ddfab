/* CONV_2D on WebAssembly's vectors, with constants in the layouts pair_blocks and winograd_blocks.
 */
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

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t output_channels;
  int32_t filter_channels;
  int32_t n_groups;
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t input_zero_point;
  int32_t output_zero_point;
  int32_t output_min;
  int32_t output_max;
  int32_t band_rows; /* of outputs, for which everything is read before any is written */
} anvil_conv_2d_int8_winograd_parameters;

/* 3x3 with stride 1, four outputs at a time from 16 products instead of 36. bias and scale are
 * those of four times the sums. */
void anvil_conv_2d_int8_winograd__simd128(const anvil_conv_2d_int8_winograd_parameters *parameters,
                                          const int8_t *input, const int8_t *weights,
                                          const int32_t *bias, const double *scale,
                                          const double *away, int8_t *output, void *scratch);

#endif
