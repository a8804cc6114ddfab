#include "common/requantize.h"
#include "quantize/quantize.h"

void anvil_quantize_int8_to_int16__scalar(const anvil_quantize_int8_parameters *parameters,
                                          const int8_t *input, int16_t *output) {
  const anvil_quantize_int8_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    const int32_t centred = input[i] - p.input_zero_point;
    const int32_t steps = anvil_requantize(centred, p.multiplier, p.shift);
    /* The addition wraps around, as TFLite's does. */
    const int32_t moved = (int32_t)((uint32_t)steps + (uint32_t)p.output_zero_point);
    output[i] = (int16_t)anvil_clamp(moved, INT16_MIN, INT16_MAX);
  }
}
