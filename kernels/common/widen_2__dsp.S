/* The values of two pixels' windows as pairs of int16, step by step: {pixel 0, pixel 1}.
 *
 * uint32_t *anvil_dsp_widen_2(uint32_t *window, const int8_t *const pixels[2], int32_t row_bytes,
 *                             const anvil_dsp_rows *rows);
 *
 * Each row of a window is cut into fours, of which bytes 0 and 2 are one step and bytes 1 and 3
 * the next. Of what is left, 1 byte is one step, 2 bytes are one step, and 3 bytes are two: 0
 * and 2, then 1 alone. A value alone has any neighbour: its weight is 0. No byte beyond a row is
 * read. Returns where the window ends. */
  .syntax unified
  .thumb

/* rows: */
#define N_ROWS 0
#define STRIDE 4 /* from the end of a row to the beginning of the next, in bytes */

  .macro FOUR
  ldr r4, [r1], #4
  ldr r5, [r2], #4
  sxtb16 r6, r4
  sxtb16 r7, r5
  sxtb16 r8, r4, ror #8
  sxtb16 r9, r5, ror #8
  stm r0!, {r6-r9}
  .endm

  .section .text.anvil_dsp_widen_2, "ax", %progbits
  .balign 4
  .global anvil_dsp_widen_2
  .type anvil_dsp_widen_2, %function
anvil_dsp_widen_2:
  push {r4-r11, lr}
  ldrd r10, r11, [r3]
  mov r3, r2
  ldrd r1, r2, [r1]
.Lrow:
  lsrs r12, r3, #3
  beq .Lfour
.Leight:
  FOUR
  subs r12, r12, #1
  FOUR
  bne .Leight
.Lfour:
  tst r3, #4
  beq .Ltail
  FOUR
.Ltail:
  lsls r12, r3, #30 /* carry: bit 1, negative... zero: none left */
  bne .Lbytes
.Lnext:
  add r1, r1, r11
  add r2, r2, r11
  subs r10, r10, #1
  bne .Lrow
  pop {r4-r11, pc}

.Lbytes:
  ldrsb r4, [r1], #1
  ldrsb r5, [r2], #1
  bpl .Lone /* of the shift above: bit 1 of the length is the sign */
  ldrsb r6, [r1], #1
  ldrsb r7, [r2], #1
  lsls r12, r12, #1
  bmi .Lthree
  pkhbt r4, r4, r6, lsl #16
  pkhbt r5, r5, r7, lsl #16
.Lone:
  stm r0!, {r4, r5}
  b .Lnext
.Lthree:
  ldrsb r8, [r1], #1
  ldrsb r9, [r2], #1
  pkhbt r4, r4, r8, lsl #16
  pkhbt r5, r5, r9, lsl #16
  stm r0!, {r4-r7}
  b .Lnext
  .size anvil_dsp_widen_2, . - anvil_dsp_widen_2
