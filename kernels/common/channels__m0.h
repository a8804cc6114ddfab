/* What kernels for Cortex-M cores without the DSP extension share. Rows of weights lie one behind
 * another, filled up with zeros to four rows where there are fewer; a record of three int32 belongs
 * to each: bias, multiplier, right shift - 1. anvil/plan/layouts/plain_rows.py makes both. */
#ifndef ANVIL_COMMON_CHANNELS_M0_H
#define ANVIL_COMMON_CHANNELS_M0_H

#include <stdint.h>

/* The int8 outputs of all channels of one window, which lies side by side: `depth` values.
 *
 * layer: depth, channels, block (4, or the channels where they are fewer), half, rounding,
 * least, greatest, as the kernels' parameters have them at their end. */
void anvil_m0_channels(const int8_t *window, int8_t *output, const int32_t *layer,
                       const int8_t *weights, const int32_t *records);

/* A pixel of an image, or `outside` where it lies beyond the edges. */
static inline const int8_t *anvil_m0_pixel(const int8_t *image, int32_t height, int32_t width,
                                           int32_t channels, int32_t y, int32_t x,
                                           const int8_t *outside) {
  /* As unsigned numbers, negative ones are beyond the other edge. */
  const int is_inside = (uint32_t)y < (uint32_t)height && (uint32_t)x < (uint32_t)width;
  return is_inside ? image + (y * width + x) * channels : outside;
}

#endif
