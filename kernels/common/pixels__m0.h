/* What convolutions share on Cortex-M cores without the DSP extension: the way over the output's
 * pixels, with the pixels under the filter for each. */
#ifndef ANVIL_COMMON_PIXELS_M0_H
#define ANVIL_COMMON_PIXELS_M0_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t input_channels;
  int32_t output_h;
  int32_t output_w;
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t dilation_h;
  int32_t dilation_w;
  int32_t input_zero_point;
  int32_t depth; /* of a row of weights; from here on the layer of channels__m0.h */
  int32_t output_channels;
  int32_t block;
  int32_t half;
  int32_t rounding;
  int32_t output_min;
  int32_t output_max;
} anvil_m0_convolution;

/* Makes the outputs of one pixel. taps: filter_h * filter_w pixels of the image, or a row of the
 * zero point; two more of those; the row itself; and what is left of the kernel's scratch. */
typedef void (*anvil_m0_pixel)(const int8_t **taps, int8_t *output,
                               const anvil_m0_convolution *convolution, const int8_t *weights,
                               const int32_t *records);

void anvil_m0_pixels(const anvil_m0_convolution *convolution, const int8_t *input,
                     const int8_t *weights, const int32_t *records, int8_t *output, void *scratch,
                     anvil_m0_pixel pixel);

#endif
