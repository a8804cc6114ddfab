/* Sums of 4 pixels by 4 output channels.
 *
 * void anvil_dots_4x4__rv32(const int32_t *block, const int8_t *windows, int32_t distance,
 *                           int32_t n_products, uint32_t totals[16]);
 *
 * block: 4 first sums, then for each product a word with the weights of the 4 channels; windows: of
 * the first pixel, the others' follow at `distance` bytes each; totals: 4 pixels of each channel.
 *
 * Registers are fixed by hand because spills decide: 16 sums, 5 pointers, 4 values, a weight and a
 * product are all that the core has, and a compiler, which multiplies ahead, needs more. */

  .macro ROW t0, t1, t2, t3, weight
  lb a7, \weight(a0)
  mul ra, a7, s9
  add \t0, \t0, ra
  mul ra, a7, s10
  add \t1, \t1, ra
  mul ra, a7, s11
  add \t2, \t2, ra
  mul a7, a7, a6
  add \t3, \t3, a7
  .endm

  .macro PRODUCT number
  lb s9, \number(a1)
  lb s10, \number(a2)
  lb s11, \number(a3)
  lb a6, \number(a4)
  ROW t0, t1, t2, t3, (4 * \number)
  ROW t4, t5, t6, s0, (4 * \number + 1)
  ROW s1, s2, s3, s4, (4 * \number + 2)
  ROW s5, s6, s7, s8, (4 * \number + 3)
  .endm

  .macro ADVANCE n
  addi a0, a0, 4 * \n
  addi a1, a1, \n
  addi a2, a2, \n
  addi a3, a3, \n
  addi a4, a4, \n
  .endm

  .macro STORE first, t0, t1, t2, t3
  sw \t0, (\first)(a4)
  sw \t1, (\first + 4)(a4)
  sw \t2, (\first + 8)(a4)
  sw \t3, (\first + 12)(a4)
  .endm

#define FRAME_BYTES 64 /* a multiple of 16, as at every call */
#define END 0
#define TOTALS 4

  .section .text.anvil_dots_4x4__rv32, "ax", @progbits
  .globl anvil_dots_4x4__rv32
  .type anvil_dots_4x4__rv32, @function
  .p2align 2
anvil_dots_4x4__rv32:
  .cfi_sections .debug_frame
  .cfi_startproc
  addi sp, sp, -FRAME_BYTES
  .cfi_def_cfa_offset FRAME_BYTES
  sw ra, 8(sp)
  sw s0, 12(sp)
  sw s1, 16(sp)
  sw s2, 20(sp)
  sw s3, 24(sp)
  sw s4, 28(sp)
  sw s5, 32(sp)
  sw s6, 36(sp)
  sw s7, 40(sp)
  sw s8, 44(sp)
  sw s9, 48(sp)
  sw s10, 52(sp)
  sw s11, 56(sp)
  sw a4, TOTALS(sp)
  lw t0, 0(a0)
  lw t4, 4(a0)
  lw s1, 8(a0)
  lw s5, 12(a0)
  mv t1, t0
  mv t2, t0
  mv t3, t0
  mv t5, t4
  mv t6, t4
  mv s0, t4
  mv s2, s1
  mv s3, s1
  mv s4, s1
  mv s6, s5
  mv s7, s5
  mv s8, s5
  addi a0, a0, 16
  slli a5, a3, 2
  add a5, a5, a0
  sw a5, END(sp)
  andi a7, a3, 3
  slli a7, a7, 2
  sub a5, a5, a7 /* the end of whole fours */
  mv a6, a2
  add a2, a1, a6
  add a3, a2, a6
  add a4, a3, a6
  bgeu a0, a5, 2f
1:
  PRODUCT 0
  PRODUCT 1
  PRODUCT 2
  PRODUCT 3
  ADVANCE 4
  bltu a0, a5, 1b
2:
  lw a5, END(sp)
  bgeu a0, a5, 4f
3:
  PRODUCT 0
  ADVANCE 1
  bltu a0, a5, 3b
4:
  lw a4, TOTALS(sp)
  STORE 0, t0, t1, t2, t3
  STORE 16, t4, t5, t6, s0
  STORE 32, s1, s2, s3, s4
  STORE 48, s5, s6, s7, s8
  lw ra, 8(sp)
  lw s0, 12(sp)
  lw s1, 16(sp)
  lw s2, 20(sp)
  lw s3, 24(sp)
  lw s4, 28(sp)
  lw s5, 32(sp)
  lw s6, 36(sp)
  lw s7, 40(sp)
  lw s8, 44(sp)
  lw s9, 48(sp)
  lw s10, 52(sp)
  lw s11, 56(sp)
  addi sp, sp, FRAME_BYTES
  ret
  .cfi_endproc
  .size anvil_dots_4x4__rv32, . - anvil_dots_4x4__rv32
