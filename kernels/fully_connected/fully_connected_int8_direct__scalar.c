#include "common/requantize.h"
#include "fully_connected/fully_connected.h"

void anvil_fully_connected_int8_direct__scalar(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier,
    const int32_t *multiplier_low, const int32_t *shift, int8_t *output) {
  const anvil_fully_connected_int8_parameters p = *parameters;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    const int8_t *unit_weights = weights;
    for (int32_t unit = 0; unit < p.units; ++unit) {
      /* Sums are unsigned because TFLite's wrap around, and only unsigned ones may in C. */
      uint32_t sum = (uint32_t)bias[unit];
      for (int32_t i = 0; i < p.depth; ++i) {
        sum += (uint32_t)(unit_weights[i] * input[i]);
      }
      unit_weights += p.depth;
      const int32_t m = unit * p.multiplier_stride;
      const int32_t scaled =
          anvil_rescale_once((int32_t)sum, multiplier[m], multiplier_low[m], shift[m]);
      *output++ = anvil_narrow(scaled, p.output_zero_point, p.output_min, p.output_max);
    }
    input += p.depth;
  }
}
