#include "common/loops.h"
#include "common/requantize.h"
#include "mul/mul.h"

void anvil_mul_int8_broadcast__scalar(const anvil_mul_int8_parameters *parameters,
                                      const int8_t *input1, const int8_t *input2,
                                      const int32_t *loops, int8_t *output) {
  const anvil_mul_int8_parameters p = *parameters;
  const int32_t n_outer = p.n_loops - 1;
  const int32_t *inner = loops + n_outer * 3;

  for (int32_t row = 0; row < p.n_rows; ++row) {
    const int8_t *values1 = input1 + anvil_loops_offset(loops, n_outer, 3, 1, row);
    const int8_t *values2 = input2 + anvil_loops_offset(loops, n_outer, 3, 2, row);
    for (int32_t i = 0; i < inner[0]; ++i) {
      const int32_t product = (values1[i * inner[1]] - p.input1_zero_point) *
                              (values2[i * inner[2]] - p.input2_zero_point);
      const int32_t scaled = anvil_requantize(product, p.multiplier, p.shift);
      *output++ = anvil_narrow(scaled, p.output_zero_point, p.output_min, p.output_max);
    }
  }
}
