/* Fused activations of float kernels. */
#ifndef ANVIL_COMMON_ACTIVATION_H
#define ANVIL_COMMON_ACTIVATION_H

/* `value`, or the bound that it lies beyond. A NaN stays one. */
static inline float anvil_clamp_float(float value, float least, float greatest) {
  if (value < least) {
    return least;
  }
  return value > greatest ? greatest : value;
}

#endif
