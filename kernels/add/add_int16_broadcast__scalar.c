#include "add/add.h"
#include "common/loops.h"
#include "common/requantize.h"

/* Bits below the point of an operand, so that bringing it to the common scale loses little.
 * 2^15 << 15 leaves the sum of two a bit to spare. */
#define LEFT_SHIFT 15

static int32_t operand(int16_t value, int32_t multiplier, int32_t shift) {
  const int32_t raised = value * (1 << LEFT_SHIFT);
  return anvil_requantize(raised, multiplier, shift);
}

void anvil_add_int16_broadcast__scalar(const anvil_add_int16_parameters *parameters,
                                       const int16_t *input1, const int16_t *input2,
                                       const int32_t *loops, int16_t *output) {
  const anvil_add_int16_parameters p = *parameters;
  const int32_t n_outer = p.n_loops - 1;
  const int32_t *inner = loops + n_outer * 3;

  for (int32_t row = 0; row < p.n_rows; ++row) {
    const int16_t *values1 = input1 + anvil_loops_offset(loops, n_outer, 3, 1, row);
    const int16_t *values2 = input2 + anvil_loops_offset(loops, n_outer, 3, 2, row);
    for (int32_t i = 0; i < inner[0]; ++i) {
      const int32_t sum = operand(values1[i * inner[1]], p.input1_multiplier, p.input1_shift) +
                          operand(values2[i * inner[2]], p.input2_multiplier, p.input2_shift);
      const int32_t scaled = anvil_requantize(sum, p.output_multiplier, p.output_shift);
      *output++ = (int16_t)anvil_clamp(scaled, p.output_min, p.output_max);
    }
  }
}
