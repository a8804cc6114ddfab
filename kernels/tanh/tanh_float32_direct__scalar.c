#include "common/exponential.h"
#include "tanh/tanh.h"

static float tanh_of(float x) {
  const float magnitude = x < 0.0f ? -x : x;
  if (magnitude < 0.0625f) {
    /* Where 1 - exp(-2x) would cancel, the series; its next term is below 2^-30 of x. */
    const float square = x * x;
    return x + x * square * (-1.0f / 3.0f + square * (2.0f / 15.0f));
  }
  const float ratio = anvil_exp(-2.0f * magnitude);
  const float result = (1.0f - ratio) / (1.0f + ratio);
  return x < 0.0f ? -result : result;
}

void anvil_tanh_float32_direct__scalar(const anvil_tanh_float32_parameters *parameters,
                                       const float *input, float *output) {
  const int32_t n_elements = parameters->n_elements;
  for (int32_t i = 0; i < n_elements; ++i) {
    output[i] = tanh_of(input[i]);
  }
}
