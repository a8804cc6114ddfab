/* What the float kernels of FULLY_CONNECTED share: all but how a weight is read. */
#ifndef ANVIL_FULLY_CONNECTED_FLOAT_H
#define ANVIL_FULLY_CONNECTED_FLOAT_H

#include "common/activation.h"
#include "common/float_products.h"
#include "fully_connected/fully_connected.h"

/* Products are added in the order of TFLite's reference kernel: by depth, and the bias last. */
static inline void anvil_fully_connected_float(
    const anvil_fully_connected_float32_parameters *parameters, const float *input,
    const void *weights, const float *bias, float *output, anvil_add_products *add_products) {
  const anvil_fully_connected_float32_parameters p = *parameters;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t unit = 0; unit < p.units; ++unit) {
      const float sum = add_products(0.0f, input, weights, unit * p.depth, p.depth);
      *output++ = anvil_clamp_float(sum + bias[unit], p.output_min, p.output_max);
    }
    input += p.depth;
  }
}

#endif
