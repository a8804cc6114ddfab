#include "common/requantize.h"
#include "quantize/quantize.h"
#include "quantize/round.h"

#define FAR 131072

void anvil_quantize_float32_to_int16__scalar(const anvil_quantize_float32_parameters *parameters,
                                             const float *input, int16_t *output) {
  const anvil_quantize_float32_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    /* A division and not a multiplication by the inverse, which rounds differently. */
    const int32_t steps = anvil_round_steps(input[i] / p.scale, FAR);
    output[i] = (int16_t)anvil_clamp(steps + p.zero_point, INT16_MIN, INT16_MAX);
  }
}
