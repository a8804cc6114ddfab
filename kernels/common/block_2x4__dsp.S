/* Sums of 2 pixels and 4 output channels at a time, and the int8 outputs that they become.
 *
 * void anvil_dsp_block_2x4(const uint32_t *window, const int32_t *stream, int8_t *outputs[2],
 *                          const anvil_dsp_blocks *blocks);
 *
 * Registers are fixed by hand because spills decide: a compiler's allocation of the same sums
 * costs up to twice the instructions.
 *
 * window: the two pixels' values as pairs of int16, the pairs of a step side by side:
 * {pixel 0, pixel 1} for each step.
 *
 * stream, for each 4 channels: 4 first sums, then for each step 2 words of weights, then the
 * rescaling of each channel. A word of weights holds two channels, 256 * high + low in each
 * halfword. Multiplied as it is it adds to 256 * sum(high) + sum(low); its low bytes alone, widened,
 * add to sum(low), and a subtraction parts the two. The first sums are made likewise.
 *
 * Rescaling is {left, multiplier, addend} where the one EXPONENT does for all of the layer, and
 * else {left, multiplier, addend, below, exponent} with another addend for sums below 0:
 *   output = saturate(((sum << left) * multiplier >> 32) + addend >> exponent)
 * A high channel's sum comes 256 times too large: its `left` is how far it is shifted right. */
  .syntax unified
  .thumb

#define EXPONENT 12
#define STEP_BYTES 48
#define UNROLL 16

/* blocks: */
#define N_BLOCKS 0
#define N_STEPS 4
#define OWN_EXPONENTS 8

/* the frame: */
#define WINDOW 0
#define WINDOW_END 4
#define ENTRY 8
#define RESCALE 12
#define OUTPUTS 16
#define OUTPUTS_END 24
#define FRAME_BYTES 32

/* One step: r0, r1 weights; r2, r3 values; r4-r7 sums of pixel 0, r8-r11 those of pixel 1. */
  .macro STEP p1_c0=r8, p1_c1=r9, p1_c2=r10, p1_c3=r11
  ldrd r0, r1, [lr], #8
  ldrd r2, r3, [r12], #8
  smlad r9, r3, r0, \p1_c1
  smlad r11, r3, r1, \p1_c3
  smlad r5, r2, r0, r5
  smlad r7, r2, r1, r7
  sxtb16 r0, r0
  sxtb16 r1, r1
  smlad r8, r3, r0, \p1_c0
  smlad r10, r3, r1, \p1_c2
  smlad r4, r2, r0, r4
  smlad r6, r2, r1, r6
  .endm

/* One channel's two sums; shift: lsl for a low channel, asr for a high one. */
  .macro RESCALE_COMMON p0, p1, shift
  ldm lr!, {r0-r2}
  \shift \p0, \p0, r0
  \shift \p1, \p1, r0
  smmla \p0, \p0, r1, r2
  smmla \p1, \p1, r1, r2
  ssat \p0, #8, \p0, asr #EXPONENT
  ssat \p1, #8, \p1, asr #EXPONENT
  .endm

  .macro RESCALE_OWN p0, p1, shift
  ldm lr!, {r0-r3}
  \shift \p0, \p0, r0
  \shift \p1, \p1, r0
  and r0, r3, \p0, asr #31
  and r3, r3, \p1, asr #31
  add r0, r0, r2
  add r3, r3, r2
  smmla \p0, \p0, r1, r0
  smmla \p1, \p1, r1, r3
  ldr r0, [lr], #4
  asr \p0, \p0, r0
  asr \p1, \p1, r0
  ssat \p0, #8, \p0
  ssat \p1, #8, \p1
  .endm

  .section .text.anvil_dsp_block_2x4, "ax", %progbits
  .balign 4
  .global anvil_dsp_block_2x4
  .type anvil_dsp_block_2x4, %function
anvil_dsp_block_2x4:
  push {r3-r11, lr}
  sub sp, sp, #FRAME_BYTES
  mov lr, r1
  ldrd r4, r5, [r2]
  ldr r6, [r3, #N_BLOCKS]
  add r6, r4, r6, lsl #2
  strd r4, r5, [sp, #OUTPUTS]
  str r6, [sp, #OUTPUTS_END]
  ldrd r4, r5, [r3, #N_STEPS]
  add r6, r0, r4, lsl #3
  strd r0, r6, [sp, #WINDOW]
  /* All steps but the first run in the unrolled loop, which is entered in its middle. */
  adr r7, .Ldone
  subs r4, r4, #1
  beq .Lentry
  rsb r4, r4, #0
  and r4, r4, #(UNROLL - 1)
  mov r6, #STEP_BYTES
  adr r7, .Lloop
  mla r7, r4, r6, r7
.Lentry:
  adr r8, .Lcommon
  cbz r5, .Lrescale
  adr.w r8, .Lown
.Lrescale:
  orr r7, r7, #1
  orr r8, r8, #1
  strd r7, r8, [sp, #ENTRY]

.Lblock:
  ldr r12, [sp, #WINDOW]
  ldm lr!, {r4-r7}
  STEP r4, r5, r6, r7
  ldr pc, [sp, #ENTRY]

  .balign 4
.Lloop:
  .rept UNROLL
  STEP
  .endr
  ldr r0, [sp, #WINDOW_END]
  cmp r12, r0
  bne.w .Lloop
  .balign 4
.Ldone:
  subs r5, r5, r4
  subs r7, r7, r6
  sub r9, r9, r8
  sub r11, r11, r10
  ldr pc, [sp, #RESCALE]

  .balign 4
.Lown:
  RESCALE_OWN r4, r8, lsl
  RESCALE_OWN r5, r9, asr
  RESCALE_OWN r6, r10, lsl
  RESCALE_OWN r7, r11, asr
  b .Lstore

  .balign 4
.Lcommon:
  RESCALE_COMMON r4, r8, lsl
  RESCALE_COMMON r5, r9, asr
  RESCALE_COMMON r6, r10, lsl
  RESCALE_COMMON r7, r11, asr
.Lstore:
  ldrd r0, r1, [sp, #OUTPUTS]
  bfi r4, r5, #8, #8
  bfi r6, r7, #8, #8
  bfi r8, r9, #8, #8
  bfi r10, r11, #8, #8
  pkhbt r4, r4, r6, lsl #16
  pkhbt r8, r8, r10, lsl #16
  str r4, [r0], #4
  str r8, [r1], #4
  strd r0, r1, [sp, #OUTPUTS]
  ldr r2, [sp, #OUTPUTS_END]
  cmp r0, r2
  bne.w .Lblock

  add sp, sp, #FRAME_BYTES
  pop {r3-r11, pc}
  .size anvil_dsp_block_2x4, . - anvil_dsp_block_2x4
