/* Runs of bytes in vectors, without touching a byte beside them. */
#ifndef ANVIL_COMMON_BYTES_MVE_H
#define ANVIL_COMMON_BYTES_MVE_H

#include <arm_mve.h>
#include <stdint.h>

static inline __attribute__((always_inline)) void anvil_copy_bytes(int8_t *to, const int8_t *from,
                                                                   int32_t n) {
  for (; n > 0; n -= 16) {
    const mve_pred16_t inside = vctp8q((uint32_t)n);
    vstrbq_p_s8(to, vldrbq_z_s8(from, inside), inside);
    to += 16;
    from += 16;
  }
}

static inline __attribute__((always_inline)) void anvil_fill_bytes(int8_t *to, int8_t value,
                                                                   int32_t n) {
  const int8x16_t values = vdupq_n_s8(value);
  for (; n > 0; n -= 16) {
    vstrbq_p_s8(to, values, vctp8q((uint32_t)n));
    to += 16;
  }
}

/* Saturation has done nothing else than this where the bounds are those of int8. */
static inline __attribute__((always_inline)) void anvil_clamp_bytes(int8_t *values, int32_t n,
                                                                    int32_t least,
                                                                    int32_t greatest) {
  if (least <= INT8_MIN && greatest >= INT8_MAX) {
    return;
  }
  const int8x16_t low = vdupq_n_s8((int8_t)least);
  const int8x16_t high = vdupq_n_s8((int8_t)greatest);
  for (; n > 0; n -= 16) {
    const mve_pred16_t inside = vctp8q((uint32_t)n);
    const int8x16_t found = vldrbq_z_s8(values, inside);
    vstrbq_p_s8(values, vminq_s8(vmaxq_s8(found, low), high), inside);
    values += 16;
  }
}

#endif
