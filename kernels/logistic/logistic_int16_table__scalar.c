#include "logistic/logistic.h"

#define LAST_ENTRY 255
#define HALF 32768  /* is left out of the entries */
#define STEP_BITS 9 /* 512 / 12288 = 1 / 24, the distance of the table's entries */

void anvil_logistic_int16_table__scalar(const anvil_logistic_int16_parameters *parameters,
                                        const int16_t *input, const int16_t *sigmoid,
                                        int16_t *output) {
  const anvil_logistic_int16_parameters p = *parameters;
  const int32_t half = p.shift > 0 ? 1 << (p.shift - 1) : 0;

  for (int32_t i = 0; i < p.n_elements; ++i) {
    const int32_t scaled = (input[i] * p.multiplier + half) >> p.shift;
    const uint32_t magnitude = (uint32_t)(scaled < 0 ? -scaled : scaled);
    const uint32_t entry = magnitude >> STEP_BITS;
    uint32_t result = (uint32_t)0x7FFF << 10; /* Q0.25; beyond the table */
    if (entry < LAST_ENTRY) {
      const uint32_t slope = (uint32_t)(sigmoid[entry + 1] - sigmoid[entry]);
      const uint32_t fraction = magnitude & ((1u << STEP_BITS) - 1);
      result = ((uint32_t)(sigmoid[entry] + HALF) << STEP_BITS) + fraction * slope;
    }
    /* sigmoid(-x) = 1 - sigmoid(x); halves go up on one side and down on the other. */
    const uint32_t one = (uint32_t)1 << 25;
    const uint32_t half_step = (uint32_t)1 << 9;
    const uint32_t rounded = scaled >= 0 ? result + half_step : one - result + half_step - 1;
    output[i] = (int16_t)(rounded >> 10);
  }
}
