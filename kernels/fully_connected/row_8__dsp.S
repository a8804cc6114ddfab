/* The outputs of one row: 8 units at a time, weights paired as in block_2x4__dsp.S.
 *
 * void anvil_dsp_row_8(const int8_t *input, const int32_t *stream, int8_t *output,
 *                      const anvil_dsp_row *row);
 *
 * stream, for each 8 units: 8 first sums, then 4 words of weights for each step of two inputs, then
 * the rescaling of each unit. Inputs are widened where they are read: 2 steps take the 4 bytes of a
 * word. Nothing but registers holds sums, so that there is no memory for widened inputs. */
  .syntax unified
  .thumb

#define EXPONENT 9
#define FOUR_BYTES 124 /* of code */
#define UNROLL 4

/* row: */
#define N_BLOCKS 0
#define N_FOURS 4 /* bytes of input in whole words, by 4 */
#define OWN_EXPONENTS 8

/* the frame: */
#define INPUT 0
#define INPUT_END 4
#define ENTRY 8
#define RESCALE 12
#define OUTPUT 16
#define OUTPUT_END 20
#define FRAME_BYTES 24

/* Two units' pairs, r0 and r1 the words, x the two inputs; sums low, high, low, high. */
  .macro PAIRS x, s0, s1, s2, s3
  ldrd r0, r1, [lr], #8
  smlad \s1, \x, r0, \s1
  smlad \s3, \x, r1, \s3
  sxtb16 r0, r0
  sxtb16 r1, r1
  smlad \s0, \x, r0, \s0
  smlad \s2, \x, r1, \s2
  .endm

/* 31 instructions for 32 products. */
  .macro FOUR_INPUTS
  ldr r2, [r12], #4
  sxtb16 r3, r2, ror #8
  sxtb16 r2, r2
  PAIRS r2, r4, r5, r6, r7
  PAIRS r2, r8, r9, r10, r11
  PAIRS r3, r4, r5, r6, r7
  PAIRS r3, r8, r9, r10, r11
  .endm

  .macro RESCALE_COMMON sum, shift
  ldm lr!, {r0-r2}
  \shift \sum, \sum, r0
  smmla \sum, \sum, r1, r2
  ssat \sum, #8, \sum, asr #EXPONENT
  .endm

  .macro RESCALE_OWN sum, shift
  ldm lr!, {r0-r3, r12}
  \shift \sum, \sum, r0
  and r3, r3, \sum, asr #31
  add r2, r2, r3
  smmla \sum, \sum, r1, r2
  asr \sum, \sum, r12
  ssat \sum, #8, \sum
  .endm

  .section .text.anvil_dsp_row_8, "ax", %progbits
  .balign 4
  .global anvil_dsp_row_8
  .type anvil_dsp_row_8, %function
anvil_dsp_row_8:
  push {r3-r11, lr}
  sub sp, sp, #FRAME_BYTES
  mov lr, r1
  ldm r3, {r4-r6}
  add r4, r2, r4, lsl #3
  strd r2, r4, [sp, #OUTPUT]
  add r7, r0, r5, lsl #2
  strd r0, r7, [sp, #INPUT]
  /* The unrolled loop is entered in its middle. */
  rsb r5, r5, #0
  and r5, r5, #(UNROLL - 1)
  adr.w r7, .Lloop
  mov r3, #FOUR_BYTES
  mla r7, r5, r3, r7
  adr.w r8, .Lcommon
  cbz r6, .Lentry
  adr.w r8, .Lown
.Lentry:
  orr r7, r7, #1
  orr r8, r8, #1
  strd r7, r8, [sp, #ENTRY]

.Lblock:
  ldr r12, [sp, #INPUT]
  ldm lr!, {r4-r11}
  ldr pc, [sp, #ENTRY]

  .balign 4
.Lloop:
  .rept UNROLL
10:
  FOUR_INPUTS
  .if . - 10b > FOUR_BYTES
  .error "FOUR_BYTES is too small"
  .endif
  .endr
  ldr r0, [sp, #INPUT_END]
  cmp r12, r0
  bne.w .Lloop
  subs r5, r5, r4
  subs r7, r7, r6
  sub r9, r9, r8
  sub r11, r11, r10
  ldr pc, [sp, #RESCALE]

  .balign 4
.Lown:
  RESCALE_OWN r4, lsl
  RESCALE_OWN r5, asr
  RESCALE_OWN r6, lsl
  RESCALE_OWN r7, asr
  RESCALE_OWN r8, lsl
  RESCALE_OWN r9, asr
  RESCALE_OWN r10, lsl
  RESCALE_OWN r11, asr
  b .Lstore

  .balign 4
.Lcommon:
  RESCALE_COMMON r4, lsl
  RESCALE_COMMON r5, asr
  RESCALE_COMMON r6, lsl
  RESCALE_COMMON r7, asr
  RESCALE_COMMON r8, lsl
  RESCALE_COMMON r9, asr
  RESCALE_COMMON r10, lsl
  RESCALE_COMMON r11, asr
.Lstore:
  ldrd r0, r1, [sp, #OUTPUT]
  bfi r4, r5, #8, #8
  bfi r6, r7, #8, #8
  bfi r8, r9, #8, #8
  bfi r10, r11, #8, #8
  pkhbt r4, r4, r6, lsl #16
  pkhbt r8, r8, r10, lsl #16
  str r4, [r0], #4
  str r8, [r0], #4
  str r0, [sp, #OUTPUT]
  cmp r0, r1
  bne.w .Lblock

  add sp, sp, #FRAME_BYTES
  pop {r3-r11, pc}
  .size anvil_dsp_row_8, . - anvil_dsp_row_8
