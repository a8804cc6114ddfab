#include "common/requantize.h"
#include "softmax/softmax.h"

/* The table at `value`, an int16_t that spans it: 512 pieces of 128 steps each. */
static int32_t interpolate(const int16_t *table, int32_t value) {
  const int32_t entry = 256 + (value >> 7);
  const int32_t slope = table[entry + 1] - table[entry];
  return table[entry] + ((slope * (value & 127) + 64) >> 7);
}

void anvil_softmax_int16_table__scalar(const anvil_softmax_int16_parameters *parameters,
                                       const int16_t *input, const int16_t *exponentials,
                                       const int16_t *reciprocals, int16_t *output) {
  const anvil_softmax_int16_parameters p = *parameters;

  for (int32_t row = 0; row < p.n_rows; ++row) {
    int32_t greatest = INT16_MIN;
    for (int32_t i = 0; i < p.depth; ++i) {
      greatest = input[i] > greatest ? input[i] : greatest;
    }
    /* The output keeps the exponentials until their sum is known. */
    uint32_t sum = 0;
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t scaled = anvil_requantize(input[i] - greatest, p.multiplier, p.shift);
      const int32_t centred =
          anvil_clamp((int32_t)((uint32_t)scaled + INT16_MAX), INT16_MIN, INT16_MAX);
      const int32_t exponential = interpolate(exponentials, centred);
      output[i] = (int16_t)exponential;
      sum += (uint32_t)exponential;
    }
    /* sum = 2^(31 - headroom) * (1 + mantissa); the greatest element alone adds 2^15 - 1. */
    const int32_t headroom = __builtin_clz(sum);
    const int32_t mantissa =
        (int32_t)((((uint64_t)sum << (headroom - 1)) + (1 << 13)) >> 14) - (1 << 15) - (1 << 16);
    const int32_t inverse = interpolate(reciprocals, anvil_clamp(mantissa, INT16_MIN, INT16_MAX));
    const int32_t shift = 31 - headroom;
    for (int32_t i = 0; i < p.depth; ++i) {
      const int64_t product = (int64_t)output[i] * inverse + ((int64_t)1 << (shift - 1));
      output[i] = (int16_t)anvil_clamp((int32_t)(product >> shift), 0, INT16_MAX);
    }
    input += p.depth;
    output += p.depth;
  }
}
