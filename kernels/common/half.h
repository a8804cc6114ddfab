/* IEEE 754 half-precision numbers, kept as their 16 bits. */
#ifndef ANVIL_COMMON_HALF_H
#define ANVIL_COMMON_HALF_H

#include <stdint.h>

/* The same number as a float, exactly, in integers: no mode of a floating-point unit (flushing
 * subnormals, quieting NaNs) and no compiler's half type takes part. A NaN keeps its payload. */
static inline float anvil_half_to_float(uint16_t half) {
  union {
    uint32_t bits;
    float value;
  } result;
  const uint32_t magnitude = half & 0x7FFFu;
  const uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
  /* The exponents' biases are 127 and 15. */
  uint32_t bits = (magnitude << 13) + ((uint32_t)(127 - 15) << 23);
  if (magnitude >= 0x7C00u) { /* infinity or NaN */
    bits |= 0x7F800000u;
  } else if (magnitude < 0x0400u) { /* zero or subnormal, which a float holds as a normal */
    bits = 0;
    if (magnitude != 0) {
      const int32_t left = __builtin_clz(magnitude) - 21;
      bits = ((magnitude << left) & 0x3FFu) << 13 | (uint32_t)(127 - 14 - left) << 23;
    }
  }
  result.bits = sign | bits;
  return result.value;
}

#endif
