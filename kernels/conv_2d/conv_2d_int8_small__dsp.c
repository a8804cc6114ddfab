#include "conv_2d/conv_2d__dsp.h"

void anvil_conv_2d_int8_small__dsp(const anvil_dsp_windows *parameters, const int8_t *input,
                                   const int32_t *stream, int8_t *output) {
  anvil_dsp_walk_windows(parameters, input, stream, output);
}
