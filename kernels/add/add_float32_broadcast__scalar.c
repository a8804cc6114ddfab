#include "add/add.h"
#include "common/activation.h"
#include "common/loops.h"

void anvil_add_float32_broadcast__scalar(const anvil_add_float32_parameters *parameters,
                                         const float *input1, const float *input2,
                                         const int32_t *loops, float *output) {
  const anvil_add_float32_parameters p = *parameters;
  const int32_t n_outer = p.n_loops - 1;
  const int32_t *inner = loops + n_outer * 3;

  for (int32_t row = 0; row < p.n_rows; ++row) {
    const float *values1 = input1 + anvil_loops_offset(loops, n_outer, 3, 1, row);
    const float *values2 = input2 + anvil_loops_offset(loops, n_outer, 3, 2, row);
    for (int32_t i = 0; i < inner[0]; ++i) {
      const float result = values1[i * inner[1]] + values2[i * inner[2]];
      *output++ = anvil_clamp_float(result, p.output_min, p.output_max);
    }
  }
}
