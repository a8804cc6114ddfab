/* CONV_2D on AVX2, with constants in the layout byte_blocks. */
#ifndef ANVIL_CONV_2D_AVX2_H
#define ANVIL_CONV_2D_AVX2_H

#include "conv_2d/conv_2d.h"

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t output_channels;
  int32_t filter_channels; /* input_channels / n_groups */
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
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
  int32_t form;       /* of rescaling, see common/channel_blocks__avx2.h */
  int32_t fits_pairs; /* whether no pair of weights can saturate vpmaddubsw */
} anvil_conv_2d_int8_bytes_parameters;

void anvil_conv_2d_int8_pointwise__avx2(const anvil_conv_2d_int8_bytes_parameters *parameters,
                                        const int8_t *input, const int8_t *weights,
                                        const int32_t *bias, const int32_t *rescale, int8_t *output,
                                        void *scratch);

void anvil_conv_2d_int8_windows__avx2(const anvil_conv_2d_int8_bytes_parameters *parameters,
                                      const int8_t *input, const int8_t *weights,
                                      const int32_t *bias, const int32_t *rescale, int8_t *output,
                                      void *scratch);

#endif
