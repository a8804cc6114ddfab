/* One channel's row of outputs, four at a time: see row_of_windows__dsp.h.
 *
 * In assembly since a compiler spills in the innermost loop, which is nine instructions for two
 * taps of each of four outputs.
 *
 *   r0, r1     columns, weights     r4 to r7   sums               r12  words left in the row
 *   r2         output               r8, r9     weights            lr   the row's description
 *   r3         rows left            r10, r11   columns            [sp] columns, weights, outputs left
 *
 * Rescaling: what a sum below 0 needs is added, then the high word of sum * multiplier plus the
 * addend is shifted by 12 and saturated. */

#define RESCALING_SHIFT 12

  .syntax unified
  .thumb
  .section .text.anvil_row_of_windows, "ax", %progbits
  .balign 4
  .globl anvil_row_of_windows
  .type anvil_row_of_windows, %function
  .thumb_func
anvil_row_of_windows:
  push {r4-r11, lr}
  sub sp, sp, #12
  mov lr, r3
  ldr r3, [lr, #20]
  strd r0, r1, [sp]
  str r3, [sp, #8]
1:
  ldr r4, [lr]
  ldr r3, [lr, #4]
  ldr r4, [r4]
  mov r5, r4
  mov r6, r4
  mov r7, r4
2:
  ldr r12, [lr, #8]
  ldr r10, [r0], #4
3:
  ldrd r8, r9, [r1], #8
  ldr r11, [r0], #4
  smlad r4, r10, r8, r4
  smlad r5, r10, r9, r5
  smlad r6, r11, r8, r6
  smlad r7, r11, r9, r7
  mov r10, r11
  subs r12, r12, #1
  bne 3b
  ldr r12, [lr, #12]
  add r0, r0, r12
  subs r3, r3, #1
  bne 2b

  ldr r12, [lr]
  add r12, r12, #4
  ldm r12, {r9-r11}
.irp sum, r4, r5, r6, r7
  and r8, r9, \sum, asr #31
  add \sum, \sum, r8
  smmla \sum, \sum, r10, r11
  ssat \sum, #8, \sum, asr #RESCALING_SHIFT
.endr
  ldr r8, [lr, #16]
  ldr r9, [sp, #8]
  add r10, r8, r8, lsl #1
  cmp r9, #2
  strb r4, [r2]
  it ge
  strbge r5, [r2, r8]
  it gt
  strbgt r6, [r2, r8, lsl #1]
  cmp r9, #4
  it ge
  strbge r7, [r2, r10]
  add r2, r2, r8, lsl #2
  ldrd r0, r1, [sp]
  add r0, r0, #8
  str r0, [sp]
  subs r9, r9, #4
  str r9, [sp, #8]
  bgt 1b
  add sp, sp, #12
  pop {r4-r11, pc}
  .size anvil_row_of_windows, . - anvil_row_of_windows
