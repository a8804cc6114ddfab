#include "common/requantize.h"
#include "quantize/quantize.h"
#include "quantize/round.h"

#define FAR 512

void anvil_quantize_float32_to_int8__scalar(const anvil_quantize_float32_parameters *parameters,
                                            const float *input, int8_t *output) {
  const anvil_quantize_float32_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    /* A division and not a multiplication by the inverse, which rounds differently. */
    const int32_t steps = anvil_round_steps(input[i] / p.scale, FAR);
    output[i] = (int8_t)anvil_clamp(steps + p.zero_point, INT8_MIN, INT8_MAX);
  }
}
