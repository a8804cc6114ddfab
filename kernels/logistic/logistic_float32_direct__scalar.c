#include "common/exponential.h"
#include "logistic/logistic.h"

void anvil_logistic_float32_direct__scalar(const anvil_logistic_float32_parameters *parameters,
                                           const float *input, float *output) {
  const int32_t n_elements = parameters->n_elements;
  for (int32_t i = 0; i < n_elements; ++i) {
    output[i] = 1.0f / (1.0f + anvil_exp(-input[i]));
  }
}
