/* One channel of a strip of a depthwise 3x3 convolution: see three_by_three__dsp.h.
 *
 * Assembly, because all fourteen registers are in use and a compiler spills some of them. An
 * output row is three rows of columns, each one LDM, and two instructions for each output: SMLAD
 * takes two taps, SMLAxx the third. Weights, bias and addresses wait in the registers of the FPU,
 * of which a function may use s0 to s15 freely.
 *
 *   r4 to r9    sums                     s0 to s5    weights of a row: w0 w1, w1 w2
 *   r0 to r3    columns (r8 too)         s6, s7      bias, twice
 *   r10, r11    weights                  s8, s9      multiplier, addend
 *   r12, lr     plane, output            s10 to s15  offsets of the outputs, row_bytes
 *   [sp]        the plane's end
 *
 * Rescaling: the high word of sum * multiplier, plus the addend, shifted by 12 and saturated. */

#define RESCALING_SHIFT 12

  .syntax unified
  .thumb

/* Weights of one row, bytes w0 w1 w2 in \row, into two registers of the FPU. */
.macro spread_weights row, first, second
  sxtb16 r9, \row
  sxtb16 r10, \row, ror #8
  pkhbt r11, r9, r10, lsl #16
  pkhbt r10, r10, r9
  vmov \first, \second, r11, r10
.endm

.macro prologue
  push {r4-r11, lr}
  sub sp, sp, #4
  mov r12, r0
  mov lr, r1
  vldm r3, {s10-s15}
  ldrd r4, r5, [r3, #24]
  add r4, r4, r0
  str r4, [sp]
  ldm r2, {r0, r1, r2, r3, r4}
  add r5, r5, r0, asr #24
  vmov s6, s7, r3, r3
  vmov s8, s9, r4, r5
  spread_weights r0, s0, s1
  spread_weights r1, s2, s3
  spread_weights r2, s4, s5
.endm

.macro epilogue
  add sp, sp, #4
  pop {r4-r11, pc}
.endm

/* Two outputs that share their columns: \left holds the first two of the first output. */
.macro two_outputs first, second, left, right
  smlad \first, \left, r10, \first
  smlatb \second, \left, r10, \second
  smlabt \first, \right, r11, \first
  smlad \second, \right, r11, \second
.endm

.macro one_output sum, left, right
  smlad \sum, \left, r10, \sum
  smlabt \sum, \right, r11, \sum
.endm

.macro rescale sums:vararg
  .irp sum, \sums
  smmla \sum, \sum, r0, r1
  .endr
  .irp sum, \sums
  ssat \sum, #8, \sum, asr #RESCALING_SHIFT
  .endr
.endm

.macro function name
  .section .text.\name, "ax", %progbits
  .balign 4
  .globl \name
  .type \name, %function
  .thumb_func
\name:
.endm

  function anvil_three_by_three_stride1_6
  prologue
1:
  vmov r4, r5, s6, s7
  vmov r6, r7, s6, s7
  vmov r8, r9, s6, s7
.irp first, 0, 2, 4
  ldm r12!, {r0-r3}
.if \first == 0
  vmov r10, r11, s0, s1
.elseif \first == 2
  vmov r10, r11, s2, s3
.else
  vmov r10, r11, s4, s5
.endif
  two_outputs r4, r5, r0, r1
  two_outputs r6, r7, r1, r2
  two_outputs r8, r9, r2, r3
.endr
  vmov r0, r1, s8, s9
  rescale r4, r5, r6, r7, r8, r9
  vmov r0, r1, s10, s11
  vmov r2, r3, s12, s13
  vmov r10, r11, s14, s15
  strb r9, [lr, r10]
  strb r8, [lr, r3]
  strb r7, [lr, r2]
  strb r6, [lr, r1]
  strb r5, [lr, r0]
  strb r4, [lr]
  add lr, lr, r11
  ldr r0, [sp]
  sub r12, r12, #32
  cmp r12, r0
  bne 1b
  epilogue
  .size anvil_three_by_three_stride1_6, . - anvil_three_by_three_stride1_6

  /* The bias is in r9. */
  function anvil_three_by_three_stride1_5
  prologue
  vmov r9, s6
1:
  ldm r12!, {r0-r3}
  vmov r10, r11, s0, s1
  smlad r4, r0, r10, r9
  smlatb r5, r0, r10, r9
  smlad r6, r1, r10, r9
  smlatb r7, r1, r10, r9
  smlad r8, r2, r10, r9
  smlabt r4, r1, r11, r4
  smlad r5, r1, r11, r5
  smlabt r6, r2, r11, r6
  smlad r7, r2, r11, r7
  smlabt r8, r3, r11, r8
.irp first, 2, 4
  ldm r12!, {r0-r3}
.if \first == 2
  vmov r10, r11, s2, s3
.else
  vmov r10, r11, s4, s5
.endif
  two_outputs r4, r5, r0, r1
  two_outputs r6, r7, r1, r2
  one_output r8, r2, r3
.endr
  vmov r0, r1, s8, s9
  rescale r4, r5, r6, r7, r8
  vmov r0, r1, s10, s11
  vmov r2, r3, s12, s13
  vmov r11, s15
  strb r8, [lr, r3]
  strb r7, [lr, r2]
  strb r6, [lr, r1]
  strb r5, [lr, r0]
  strb r4, [lr]
  add lr, lr, r11
  ldr r0, [sp]
  sub r12, r12, #32
  cmp r12, r0
  bne 1b
  epilogue
  .size anvil_three_by_three_stride1_5, . - anvil_three_by_three_stride1_5

  function anvil_three_by_three_stride2_4
  prologue
1:
  vmov r4, r5, s6, s7
  vmov r6, r7, s6, s7
.irp first, 0, 2, 4
  ldm r12!, {r0-r3, r8}
.if \first == 0
  vmov r10, r11, s0, s1
.elseif \first == 2
  vmov r10, r11, s2, s3
.else
  vmov r10, r11, s4, s5
.endif
  one_output r4, r0, r1
  one_output r5, r1, r2
  one_output r6, r2, r3
  one_output r7, r3, r8
.endr
  vmov r0, r1, s8, s9
  rescale r4, r5, r6, r7
  vmov r0, r1, s10, s11
  vmov r2, s12
  vmov r11, s15
  strb r7, [lr, r2]
  strb r6, [lr, r1]
  strb r5, [lr, r0]
  strb r4, [lr]
  add lr, lr, r11
  ldr r0, [sp]
  sub r12, r12, #20
  cmp r12, r0
  bne 1b
  epilogue
  .size anvil_three_by_three_stride2_4, . - anvil_three_by_three_stride2_4
