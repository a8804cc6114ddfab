#include "common/loops.h"
#include "mean/mean.h"

void anvil_mean_float32_strided__scalar(const anvil_mean_float32_parameters *parameters,
                                        const float *input, const int32_t *output_loops,
                                        const int32_t *sum_loops, float *output) {
  const anvil_mean_float32_parameters p = *parameters;
  const int32_t n_outer = p.n_sum_loops - 1;
  const int32_t *inner = sum_loops + n_outer * 2;

  for (int32_t i = 0; i < p.n_outputs; ++i) {
    const float *values = input + anvil_loops_offset(output_loops, p.n_output_loops, 2, 1, i);
    float sum = 0.0f;
    for (int32_t row = 0; row < p.n_sum_rows; ++row) {
      const float *run = values + anvil_loops_offset(sum_loops, n_outer, 2, 1, row);
      for (int32_t k = 0; k < inner[0]; ++k) {
        sum += run[k * inner[1]];
      }
    }
    output[i] = sum / (float)p.n_reduced;
  }
}
