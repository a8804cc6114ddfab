#include "common/requantize.h"
#include "softmax/softmax.h"

#define SUM_INTEGER_BITS 12
#define OUTPUT_BITS 8

/* value * 2^bits, or the int32_t that it lies beyond. */
static int32_t saturating_shift_left(int32_t value, int32_t bits) {
  const int32_t greatest = INT32_MAX >> bits;
  if (value > greatest) {
    return INT32_MAX;
  }
  return value < -greatest - 1 ? INT32_MIN : value * (1 << bits);
}

/* 1 / (1 + a) for a in [0, 1), both in Q0.31: Newton's method on half the denominator, in
 * Q2.29, from the estimate 48/17 - 32/17 * half. */
static int32_t one_over_one_plus(int32_t a) {
  const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
  int32_t x = 1515870810 + anvil_rounding_doubling_high_mul(half, -1010580540);
  for (int32_t step = 0; step < 3; ++step) {
    const int32_t error = (1 << 29) - anvil_rounding_doubling_high_mul(half, x);
    x += saturating_shift_left(anvil_rounding_doubling_high_mul(x, error), 2);
  }
  return saturating_shift_left(x, 1);
}

static int32_t leading_zeros(uint32_t value) {
  int32_t n_zeros = 0;
  while (n_zeros < 32 && !(value >> (31 - n_zeros))) {
    ++n_zeros;
  }
  return n_zeros;
}

static int32_t exponential(const int32_t *exponentials, int32_t n_exponentials, int32_t steps) {
  return steps < n_exponentials ? exponentials[steps] : 0;
}

void anvil_softmax_int8_fixed_point__scalar(const anvil_softmax_int8_parameters *parameters,
                                            const int8_t *input, const int32_t *exponentials,
                                            int8_t *output) {
  const anvil_softmax_int8_parameters p = *parameters;

  for (int32_t row = 0; row < p.n_rows; ++row) {
    int32_t greatest = INT8_MIN;
    for (int32_t i = 0; i < p.depth; ++i) {
      greatest = input[i] > greatest ? input[i] : greatest;
    }
    int32_t sum = 0;
    for (int32_t i = 0; i < p.depth; ++i) {
      sum += anvil_rounding_shift_right(
          exponential(exponentials, p.n_exponentials, greatest - input[i]), SUM_INTEGER_BITS);
    }
    /* sum = 2^(SUM_INTEGER_BITS - headroom) * (1 + mantissa), the mantissa in Q0.31. The
     * greatest element alone adds 1, so that headroom is at most SUM_INTEGER_BITS. */
    const int32_t headroom = leading_zeros((uint32_t)sum);
    const int32_t mantissa = (int32_t)(((uint32_t)sum << headroom) - ((uint32_t)1 << 31));
    const int32_t inverse = one_over_one_plus(mantissa);
    const int32_t shift = SUM_INTEGER_BITS - headroom + 31 - OUTPUT_BITS;
    for (int32_t i = 0; i < p.depth; ++i) {
      const int32_t term = exponential(exponentials, p.n_exponentials, greatest - input[i]);
      const int32_t product = anvil_rounding_doubling_high_mul(inverse, term);
      /* 2^31 shifted by more than 31 rounds to 0. */
      const int32_t probability = shift > 31 ? 0 : anvil_rounding_shift_right(product, shift);
      output[i] = (int8_t)anvil_clamp(probability + INT8_MIN, INT8_MIN, INT8_MAX);
    }
    input += p.depth;
    output += p.depth;
  }
}
