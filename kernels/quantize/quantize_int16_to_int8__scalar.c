#include "common/requantize.h"
#include "quantize/quantize.h"

void anvil_quantize_int16_to_int8__scalar(const anvil_quantize_int16_parameters *parameters,
                                          const int16_t *input, int8_t *output) {
  const anvil_quantize_int16_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    const int32_t centred = input[i] - p.input_zero_point;
    const int32_t steps = anvil_requantize(centred, p.multiplier, p.shift);
    /* The addition wraps around, as TFLite's does. */
    const int32_t moved = (int32_t)((uint32_t)steps + (uint32_t)p.output_zero_point);
    output[i] = (int8_t)anvil_clamp(moved, INT8_MIN, INT8_MAX);
  }
}
