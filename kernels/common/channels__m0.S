/* Four output channels at a time of one window: see channels__m0.h.
 *
 * Assembly, because a compiler keeps sums and counters of this core's loops on the stack: only r0
 * to r7 can be multiplied or loaded, and ADD alone reaches the other registers. So the sums are
 * there, and each value is loaded once for four weights.
 *
 *   r0          the window's end       r4 to r7   the ends of four rows of weights
 *   r1          from -depth to 0       r8 to r11  sums
 *   r2, r3      value, weight          r12        the frame
 *
 * Channels that do not fill up the last block are its last ones: the block then begins with some
 * that have been written before, and writes the same again. */
#include "common/layer__m0.h"

/* the frame: */
#define WINDOW 0
#define OUTPUT 4
#define LAYER 8
#define WEIGHTS 12
#define OUTPUT_END 16
#define FRAME_BYTES 20
#define SAVED_BYTES 36
#define RECORDS (FRAME_BYTES + SAVED_BYTES)

  .syntax unified
  .thumb

.macro channel row, sum
  ldrsb r3, [\row, r1]
  muls r3, r2, r3
  add \sum, \sum, r3
.endm

  .section .text.anvil_m0_channels, "ax", %progbits
  .balign 4
  .global anvil_m0_channels
  .type anvil_m0_channels, %function
  .thumb_func
anvil_m0_channels:
  push {r4-r7, lr}
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  push {r4-r7}
  ldr r4, [r2, #CHANNELS]
  adds r4, r4, r1
  push {r0-r4}
  mov r12, sp

.Lblock:
  ldr r2, [sp, #RECORDS]
  ldr r3, [r2, #BIAS]
  mov r8, r3
  ldr r3, [r2, #BIAS + RECORD_BYTES]
  mov r9, r3
  ldr r3, [r2, #BIAS + 2 * RECORD_BYTES]
  mov r10, r3
  ldr r3, [r2, #BIAS + 3 * RECORD_BYTES]
  mov r11, r3
  ldr r0, [sp, #WINDOW]
  ldr r4, [sp, #WEIGHTS]
  ldr r2, [sp, #LAYER]
  ldr r1, [r2, #DEPTH]
  adds r0, r0, r1
  adds r4, r4, r1
  adds r5, r4, r1
  adds r6, r5, r1
  adds r7, r6, r1
  rsbs r1, r1, #0
.Lvalue:
  ldrsb r2, [r0, r1]
  channel r4, r8
  channel r5, r9
  channel r6, r10
  channel r7, r11
  adds r1, #1
  bne .Lvalue

  str r7, [sp, #WEIGHTS]
  ldr r1, [sp, #RECORDS]
  ldr r7, [sp, #LAYER]
  ldr r6, [sp, #OUTPUT]
  mov r2, r8
  mov r3, r9
  mov r4, r10
  mov r5, r11
  push {r2-r5}
  mov r8, r6
  ldr r2, [r7, #BLOCK]
  adds r2, r2, r6
  mov r9, r2
.Loutput:
  pop {r0}
  bl anvil_m0_rescale
  mov r3, r8
  strb r0, [r3]
  adds r3, #1
  mov r8, r3
  cmp r3, r9
  bne .Loutput

  mov sp, r12 /* sums of rows that fill up a block are still on it */
  ldr r4, [sp, #OUTPUT_END]
  subs r4, r4, r3
  beq .Ldone
  subs r4, #4
  bge .Lnext
  adds r3, r3, r4
  ldr r2, [r7, #DEPTH]
  muls r2, r4, r2
  ldr r5, [sp, #WEIGHTS]
  adds r5, r5, r2
  str r5, [sp, #WEIGHTS]
  movs r2, #RECORD_BYTES
  muls r2, r4, r2
  adds r1, r1, r2
.Lnext:
  str r3, [sp, #OUTPUT]
  str r1, [sp, #RECORDS]
  b .Lblock

.Ldone:
  add sp, #FRAME_BYTES
  pop {r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  pop {r4-r7, pc}
  .size anvil_m0_channels, . - anvil_m0_channels
