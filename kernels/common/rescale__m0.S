/* A sum as an int8 output, without a product of 64 bits, which this core takes a function for.
 *
 *   r0  sum, less than 2^29 either way       -> output
 *   r1  the channel's record                 -> the next channel's
 *   r7  the layer
 *
 * r2 to r6 change, all else stays, and the stack is not used: no function for C.
 *
 *   high = (sum * multiplier + (sum < 0 ? -half : half) * 2^16) >> 31
 *   output = ((high >> shift) + rounding) >> 1, between least and greatest
 *
 * With sum = a * 2^16 + b, b signed, and multiplier = c * 2^16 + d, d not, the middle products fit
 * 32 bits: high = 2 * a * c + ((a * d + b * c + (b * d >> 16) + half) >> 15), to the last bit. */
#include "common/layer__m0.h"

  .syntax unified
  .thumb

  .section .text.anvil_m0_rescale, "ax", %progbits
  .balign 4
  .global anvil_m0_rescale
  .type anvil_m0_rescale, %function
  .thumb_func
anvil_m0_rescale:
  ldrh r5, [r1, #MULTIPLIER_LOW]
  ldrh r2, [r1, #MULTIPLIER_HIGH]
  asrs r6, r0, #31
  sxth r4, r0
  subs r0, r0, r4
  asrs r0, r0, #16
  mov r3, r5
  muls r3, r4, r3 /* b * d */
  asrs r3, r3, #16
  muls r5, r0, r5 /* a * d */
  adds r3, r3, r5
  muls r4, r2, r4 /* b * c */
  adds r3, r3, r4
  ldr r5, [r7, #HALF]
  eors r5, r6
  subs r5, r5, r6
  adds r3, r3, r5
  asrs r3, r3, #15
  muls r0, r2, r0 /* a * c */
  lsls r0, r0, #1
  adds r0, r0, r3
  ldr r2, [r1, #SHIFT]
  asrs r0, r2
  ldr r2, [r7, #ROUNDING]
  adds r0, r0, r2
  asrs r0, r0, #1
  ldr r2, [r7, #LEAST]
  cmp r0, r2
  bge .Lnot_less
  mov r0, r2
.Lnot_less:
  ldr r2, [r7, #GREATEST]
  cmp r0, r2
  ble .Lnot_greater
  mov r0, r2
.Lnot_greater:
  adds r1, #RECORD_BYTES
  bx lr
  .size anvil_m0_rescale, . - anvil_m0_rescale
