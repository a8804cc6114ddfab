/* All channels of one pixel of a depthwise convolution: see depthwise_conv_2d__m0.h.
 *
 *   r0          the next taps               r8         sum
 *   r1 to r3    three of them, values       r9         the first tap
 *   r4          channel                     r10        channel
 *   r5          the row's end               r11        the same
 *   r6          from -depth to 0            r12        the layer
 *   r7          weight                      [sp]       output, records */
#include "common/layer__m0.h"

/* the frame: */
#define OUTPUT 0
#define FRAME_BYTES 4
#define SAVED_BYTES 36
#define RECORDS (FRAME_BYTES + SAVED_BYTES)

/* of the layer in anvil_m0_convolution: */
#define LAYER 60

  .syntax unified
  .thumb

.macro tap value
  ldrsb r7, [r5, r6]
  muls \value, r7, \value
  add r8, r8, \value
  adds r6, #1
.endm

  .section .text.anvil_m0_taps, "ax", %progbits
  .balign 4
  .global anvil_m0_taps
  .type anvil_m0_taps, %function
  .thumb_func
anvil_m0_taps:
  push {r4-r7, lr}
  mov r4, r8
  mov r5, r9
  mov r6, r10
  mov r7, r11
  push {r1, r4-r7}
  mov r9, r0
  mov r11, r3
  adds r2, #LAYER
  mov r12, r2
  movs r4, #0
.Lchannel:
  mov r10, r4
  ldr r1, [sp, #RECORDS]
  ldr r1, [r1, #BIAS]
  mov r8, r1
  mov r0, r9
  mov r1, r12
  ldr r6, [r1, #DEPTH]
  mov r5, r11
  adds r5, r5, r6
  mov r11, r5
  rsbs r6, r6, #0
.Ltaps:
  ldm r0!, {r1-r3}
  ldrsb r1, [r1, r4]
  ldrsb r2, [r2, r4]
  ldrsb r3, [r3, r4]
  tap r1
  tap r2
  tap r3
  bne .Ltaps
  mov r0, r8
  ldr r1, [sp, #RECORDS]
  mov r7, r12
  bl anvil_m0_rescale
  str r1, [sp, #RECORDS]
  mov r4, r10
  ldr r2, [sp, #OUTPUT]
  strb r0, [r2, r4]
  adds r4, #1
  ldr r2, [r7, #CHANNELS]
  cmp r4, r2
  bne .Lchannel
  pop {r1, r4-r7}
  mov r8, r4
  mov r9, r5
  mov r10, r6
  mov r11, r7
  pop {r4-r7, pc}
  .size anvil_m0_taps, . - anvil_m0_taps
