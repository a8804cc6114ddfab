/* All channels of one output of a depthwise convolution: lanes__mve.S. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_LANES_MVE_H
#define ANVIL_DEPTHWISE_CONV_2D_LANES_MVE_H

#include <stdint.h>

typedef struct {
  const int8_t *const *taps; /* where the first channel of each tap lies */
  const int32_t *blocks;     /* as the layout lane_taps packs them */
  int8_t *output;
  int32_t n_channels;
  int32_t n_taps;
  int32_t zero_point; /* of the output */
} anvil_lanes;

void anvil_lanes__mve(const anvil_lanes *lanes);

#endif
