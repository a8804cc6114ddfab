#include "common/exponential.h"
#include "softmax/softmax.h"

void anvil_softmax_float32_direct__scalar(const anvil_softmax_float32_parameters *parameters,
                                          const float *input, float *output) {
  const anvil_softmax_float32_parameters p = *parameters;

  for (int32_t row = 0; row < p.n_rows; ++row) {
    float greatest = input[0];
    for (int32_t i = 1; i < p.depth; ++i) {
      greatest = input[i] > greatest ? input[i] : greatest;
    }
    /* The output keeps the exponentials until their sum is known. */
    float sum = 0.0f;
    for (int32_t i = 0; i < p.depth; ++i) {
      const float exponential = anvil_exp((input[i] - greatest) * p.beta);
      output[i] = exponential;
      sum += exponential;
    }
    for (int32_t i = 0; i < p.depth; ++i) {
      output[i] = output[i] / sum;
    }
    input += p.depth;
    output += p.depth;
  }
}
