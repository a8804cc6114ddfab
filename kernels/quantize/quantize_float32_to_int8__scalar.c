#include "common/requantize.h"
#include "quantize/quantize.h"

/* Beyond this many steps every int8 zero point saturates; the conversion to an integer
 * would be undefined somewhere beyond. */
#define FAR 512

/* The nearest integer, halves away from zero; 0 for a NaN. The remainder is exact, so that
 * nothing here depends on the compiler's way to contract floating-point expressions. */
static int32_t rounded(float steps) {
  if (steps != steps) {
    return 0;
  }
  if (steps >= (float)FAR) {
    return FAR;
  }
  if (steps <= (float)-FAR) {
    return -FAR;
  }
  const int32_t whole = (int32_t)steps;
  const float remainder = steps - (float)whole;
  if (remainder >= 0.5f) {
    return whole + 1;
  }
  return remainder <= -0.5f ? whole - 1 : whole;
}

void anvil_quantize_float32_to_int8__scalar(const anvil_quantize_float32_parameters *parameters,
                                            const float *input, int8_t *output) {
  const anvil_quantize_float32_parameters p = *parameters;
  for (int32_t i = 0; i < p.n_elements; ++i) {
    /* A division and not a multiplication by the inverse, which rounds differently. */
    output[i] = anvil_narrow(rounded(input[i] / p.scale), p.zero_point, INT8_MIN, INT8_MAX);
  }
}
