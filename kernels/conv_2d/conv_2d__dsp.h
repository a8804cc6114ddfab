/* CONV_2D on Cortex-M's DSP extension. */
#ifndef ANVIL_CONV_2D_DSP_H
#define ANVIL_CONV_2D_DSP_H

#include <stdint.h>

#include "common/windows__dsp.h"

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t output_channels;
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t input_zero_point;
  int32_t n_steps;       /* of two products each, in one window */
  int32_t own_exponents; /* whether each channel's rescaling has an exponent of its own */
} anvil_conv_2d_int8_blocks_parameters;

/* stream is what anvil/plan/layouts/channel_pairs.py makes of weights, bias and rescaling. */
void anvil_conv_2d_int8_blocks__dsp(const anvil_conv_2d_int8_blocks_parameters *parameters,
                                    const int8_t *input, const int32_t *stream, int8_t *output,
                                    void *scratch);

/* In little flash; stream is what anvil/plan/layouts/windows.py makes of the constants. */
void anvil_conv_2d_int8_small__dsp(const anvil_dsp_windows *parameters, const int8_t *input,
                                   const int32_t *stream, int8_t *output);

#endif
