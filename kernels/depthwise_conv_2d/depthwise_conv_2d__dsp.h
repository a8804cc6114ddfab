/* Depthwise convolutions for Cortex-M cores with the DSP extension. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_DSP_H
#define ANVIL_DEPTHWISE_CONV_2D_DSP_H

#include <stdint.h>

#include "common/windows__dsp.h"

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels; /* at least 4 */
  int32_t output_h;
  int32_t output_w;
  int32_t stride; /* 1 or 2 in both directions */
  int32_t pad_top;
  int32_t pad_left;
  int32_t input_zero_point;
  int32_t addend;     /* the output's zero point and one half, 2^12 to a step */
  int32_t block_rows; /* of outputs, spread together and computed before the next ones */
  int32_t block_columns;
} anvil_depthwise_conv_2d_int8_3x3_parameters;

/* channels: five words for each channel: three rows of weights, int8, each with a byte behind it,
 * of which the first is added to the addend; the bias, 2^8 to a unit, with the input's zero point
 * folded in; the multiplier. */
void anvil_depthwise_conv_2d_int8_3x3__dsp(
    const anvil_depthwise_conv_2d_int8_3x3_parameters *parameters, const int8_t *input,
    const int32_t *channels, int8_t *output, void *scratch);

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels; /* at least 4 */
  int32_t output_h;
  int32_t output_w;
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h; /* that along rows is 1 */
  int32_t pad_top;
  int32_t pad_left;
  int32_t input_zero_point;
} anvil_depthwise_conv_2d_int8_taps_parameters;

/* weights: by channel and row of the window, four taps in a word, in the order w0 w2 w1 w3, zeros
 * behind them so that there are more than in the row. rescaling: four words for each channel: the
 * bias, 2^8 to a unit, with the input's zero point folded in; what is added to a sum below 0; the
 * multiplier; the addend, 2^12 to a step. */
void anvil_depthwise_conv_2d_int8_taps__dsp(
    const anvil_depthwise_conv_2d_int8_taps_parameters *parameters, const int8_t *input,
    const int32_t *weights, const int32_t *rescaling, int8_t *output, void *scratch);

/* In little flash; stream is what anvil/plan/layouts/windows.py makes of the constants. */
void anvil_depthwise_conv_2d_int8_small__dsp(const anvil_dsp_windows *parameters,
                                             const int8_t *input, const int32_t *stream,
                                             int8_t *output);

#endif
