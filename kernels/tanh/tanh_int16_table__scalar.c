#include "tanh/tanh.h"

#define LAST_ENTRY 255
#define HALF 32768  /* is left out of the entries */
#define STEP_BITS 8 /* of x; the table's entries are as far apart in 2 * x */

void anvil_tanh_int16_table__scalar(const anvil_tanh_int16_parameters *parameters,
                                    const int16_t *input, const int16_t *sigmoid, int16_t *output) {
  const anvil_tanh_int16_parameters p = *parameters;
  const int32_t half = p.shift > 0 ? 1 << (p.shift - 1) : 0;

  for (int32_t i = 0; i < p.n_elements; ++i) {
    const int32_t scaled = (input[i] * p.multiplier + half) >> p.shift;
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled);
    const uint32_t entry = magnitude >> STEP_BITS;
    int32_t result = 0xFFFF << 8; /* the sigmoid in Q0.24; beyond the table */
    if (entry < LAST_ENTRY) {
      const int32_t slope = sigmoid[entry + 1] - sigmoid[entry];
      const int32_t fraction = (int32_t)(magnitude & ((1u << STEP_BITS) - 1));
      result = (sigmoid[entry] + HALF) * (1 << STEP_BITS) + fraction * slope;
    }
    /* Twice the sigmoid less one, in Q0.23; halves go up on one side and down on the other. */
    const int32_t centred = result - (1 << 23);
    const int32_t half_step = 1 << 7;
    output[i] = (int16_t)((scaled >= 0 ? centred + half_step : half_step - 1 - centred) >> 8);
  }
}
