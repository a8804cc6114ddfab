/* Convolutions in as little flash as possible: CONV_2D and DEPTHWISE_CONV_2D share the code. */
#ifndef ANVIL_COMMON_WINDOWS_DSP_H
#define ANVIL_COMMON_WINDOWS_DSP_H

#include <stdint.h>

/* Two numbers of 16 bits in each word, the first one in the lower half, since every layer has these
 * parameters. anvil/plan/layouts/windows.py writes them. */
typedef struct {
  int32_t input_size;  /* rows, columns */
  int32_t channels;    /* of the input, of the output */
  int32_t output_size; /* rows, columns */
  int32_t filter_size; /* rows, columns */
  int32_t stride;      /* down, to the right */
  int32_t padding;     /* above, on the left */
  int32_t depth;       /* a filter's input channels; from a value to the next, 1 unless depthwise */
  int32_t zero_points; /* of the input, of the output */
} anvil_dsp_windows;

/* stream: for each output channel the bias and the multiplier; then for each the shift to the
 * right, a byte; then the weights by output channel, row, column, input channel. */
void anvil_dsp_walk_windows(const anvil_dsp_windows *parameters, const int8_t *input,
                            const int32_t *stream, int8_t *output);

#endif
