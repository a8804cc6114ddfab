#include "common/loops.h"
#include "common/requantize.h"
#include "mean/mean.h"

void anvil_mean_int16_strided__scalar(const anvil_mean_int16_parameters *parameters,
                                      const int16_t *input, const int32_t *output_loops,
                                      const int32_t *sum_loops, int16_t *output) {
  const anvil_mean_int16_parameters p = *parameters;
  const int32_t n_outer = p.n_sum_loops - 1;
  const int32_t *inner = sum_loops + n_outer * 2;

  for (int32_t i = 0; i < p.n_outputs; ++i) {
    const int16_t *values = input + anvil_loops_offset(output_loops, p.n_output_loops, 2, 1, i);
    int32_t sum = 0;
    for (int32_t row = 0; row < p.n_sum_rows; ++row) {
      const int16_t *run = values + anvil_loops_offset(sum_loops, n_outer, 2, 1, row);
      for (int32_t k = 0; k < inner[0]; ++k) {
        sum += run[k * inner[1]];
      }
    }
    const int32_t scaled = anvil_requantize(sum, p.multiplier, p.shift);
    output[i] = (int16_t)anvil_clamp(scaled, INT16_MIN, INT16_MAX);
  }
}
