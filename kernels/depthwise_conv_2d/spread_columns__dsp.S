/* Four channels of a pair of columns as words of four planes: see planes__dsp.h.
 *
 * Bytes l3 l2 l1 l0 and r3 r2 r1 r0 become words r0:l0 to r3:l3, high bytes of halfwords: eight
 * values in 17 instructions, in assembly since a compiler runs out of registers.
 *
 *   r0, r1  left, right, which move by r6, r7     r11, r12  bytes to the second, fourth plane
 *   r2      target, which moves by lr             r3        rows left
 *   r9      0xFF00FF00 */

  .syntax unified
  .thumb
  .section .text.anvil_spread_columns, "ax", %progbits
  .balign 4
  .globl anvil_spread_columns
  .type anvil_spread_columns, %function
  .thumb_func
anvil_spread_columns:
  push {r4-r11, lr}
  ldm r3, {r3, r6, r7, r11, lr}
  add r12, r11, r11, lsl #1
  mov r9, #0xFF00FF00
1:
  ldr r4, [r0]
  ldr r5, [r1]
  add r0, r0, r6
  add r1, r1, r7
  pkhbt r8, r4, r5, lsl #16
  pkhtb r4, r5, r4, asr #16
  and r5, r9, r8, lsl #8
  and r8, r9, r8
  and r10, r9, r4, lsl #8
  and r4, r9, r4
  str r8, [r2, r11]
  str r10, [r2, r11, lsl #1]
  str r4, [r2, r12]
  str r5, [r2]
  add r2, r2, lr
  subs r3, r3, #1
  bne 1b
  pop {r4-r11, pc}
  .size anvil_spread_columns, . - anvil_spread_columns
