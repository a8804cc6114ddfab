/* Runs of bytes in vectors, without touching a byte beside them. */
#ifndef ANVIL_COMMON_BYTES_MVE_H
#define ANVIL_COMMON_BYTES_MVE_H

#include <arm_mve.h>
#include <stdint.h>

/* In assembly, since a loop that counts bytes needs three instructions for 16 of them, and
 * compilers at hand find seven. `n` is not below 0, and the runs do not overlap. */
static inline __attribute__((always_inline)) void anvil_copy_bytes(int8_t *to, const int8_t *from,
                                                                   int32_t n) {
  __asm__ volatile(
      "wlstp.8 lr, %[n], 2f\n"
      "1:\n"
      "vldrb.u8 q0, [%[from]], #16\n"
      "vstrb.8 q0, [%[to]], #16\n"
      "letp lr, 1b\n"
      "2:\n"
      : [to] "+r"(to), [from] "+r"(from)
      : [n] "r"(n)
      : "q0", "lr", "memory");
}

static inline __attribute__((always_inline)) void anvil_fill_bytes(int8_t *to, int8_t value,
                                                                   int32_t n) {
  __asm__ volatile(
      "vdup.8 q0, %[value]\n"
      "wlstp.8 lr, %[n], 2f\n"
      "1:\n"
      "vstrb.8 q0, [%[to]], #16\n"
      "letp lr, 1b\n"
      "2:\n"
      : [to] "+r"(to)
      : [n] "r"(n), [value] "r"((int32_t)value)
      : "q0", "lr", "memory");
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
