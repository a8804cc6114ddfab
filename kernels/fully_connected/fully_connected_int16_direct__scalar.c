#include "common/requantize.h"
#include "fully_connected/fully_connected.h"

void anvil_fully_connected_int16_direct__scalar(
    const anvil_fully_connected_int16_parameters *parameters, const int16_t *input,
    const int8_t *weights, const int64_t *bias, const int32_t *multiplier,
    const int32_t *multiplier_low, const int32_t *shift, int16_t *output) {
  const anvil_fully_connected_int16_parameters p = *parameters;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    const int8_t *unit_weights = weights;
    for (int32_t unit = 0; unit < p.units; ++unit) {
      int64_t sum = bias[unit];
      for (int32_t i = 0; i < p.depth; ++i) {
        sum += unit_weights[i] * input[i];
      }
      unit_weights += p.depth;
      if (p.sum_bits == 32) {
        sum = (int32_t)sum;
      }
      const int32_t m = unit * p.multiplier_stride;
      const int32_t scaled =
          anvil_rescale_once_wide(sum, multiplier[m], multiplier_low[m], shift[m]);
      *output++ = (int16_t)anvil_clamp(scaled, p.output_min, p.output_max);
    }
    input += p.depth;
  }
}
