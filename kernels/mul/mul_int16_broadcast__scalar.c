#include "common/loops.h"
#include "common/requantize.h"
#include "mul/mul.h"

void anvil_mul_int16_broadcast__scalar(const anvil_mul_int16_parameters *parameters,
                                       const int16_t *input1, const int16_t *input2,
                                       const int32_t *loops, int16_t *output) {
  const anvil_mul_int16_parameters p = *parameters;
  const int32_t n_outer = p.n_loops - 1;
  const int32_t *inner = loops + n_outer * 3;

  for (int32_t row = 0; row < p.n_rows; ++row) {
    const int16_t *values1 = input1 + anvil_loops_offset(loops, n_outer, 3, 1, row);
    const int16_t *values2 = input2 + anvil_loops_offset(loops, n_outer, 3, 2, row);
    for (int32_t i = 0; i < inner[0]; ++i) {
      const int32_t product = values1[i * inner[1]] * values2[i * inner[2]];
      const int32_t scaled = anvil_requantize(product, p.multiplier, p.shift);
      *output++ = (int16_t)anvil_clamp(scaled, p.output_min, p.output_max);
    }
  }
}
