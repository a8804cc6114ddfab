/* All channels of one output of a depthwise convolution, 16 at a time, for MVE.

   void anvil_lanes__mve(const anvil_lanes *lanes);           lanes__mve.h has the struct

   In assembly, since two taps need all eight vector registers, and what a compiler keeps in memory
   around them takes as long as they do.

     q0-q3  sums: of the even bytes the even and the odd halfwords, then those of the odd bytes
     r0     where the taps lie     r2  bytes of channels done     r3  constants, in their order
     r6     output    r7  channels left    r8  pairs of taps    r9  zero point    r10  odd taps */

  .syntax unified
  .text

  .macro add_products products, even, odd
  vmovlb.s16 q6, \products
  vadd.i32 \even, \even, q6
  vmovlt.s16 \products, \products
  vadd.i32 \odd, \odd, \products
  .endm

/* Halves away from zero, as the reference's second rounding sends them: VRSHL sends them up, and
   a negative number that is 1 less goes down. */
  .macro rescale sums, number
  vldrw.u32 q4, [r3, #(16 * \number)]
  vqrdmulh.s32 \sums, \sums, q4
  vldrw.u32 q5, [r3, #(16 * \number + 64)]
  vqdmlah.s32 \sums, \sums, r12
  vrshl.s32 \sums, \sums, q5
  .endm

  .balign 4
  .global anvil_lanes__mve
  .thumb_func
  .type anvil_lanes__mve, %function
anvil_lanes__mve:
  push {r4-r10, lr}
  vpush {d8-d15}
  ldrd r3, r6, [r0, #4]
  ldrd r7, r8, [r0, #12]
  ldr r9, [r0, #20]
  ldr r0, [r0]
  movs r2, #0
  mov r12, #1
  and r10, r8, #1
  lsrs r8, r8, #1
channels:
  vldrw.u32 q0, [r3], #16            /* bias */
  vldrw.u32 q1, [r3], #16
  vldrw.u32 q2, [r3], #16
  vldrw.u32 q3, [r3], #16
  vctp.8 r7
  mov r1, r0
  cmp r10, #0
  beq 1f
  ldr r4, [r1], #4
  add r4, r2
  vpst
  vldrbt.u8 q4, [r4]
  vldrw.u32 q5, [r3], #16
  vmullb.s8 q7, q4, q5
  vmullt.s8 q4, q4, q5
  add_products q7, q0, q1
  add_products q4, q2, q3
1:
  wls lr, r8, 3f
2:
  ldrd r4, r5, [r1], #8
  add r4, r2
  add r5, r2
  vpstt
  vldrbt.u8 q4, [r4]
  vldrbt.u8 q5, [r5]
  vldrw.u32 q6, [r3]
  vmullb.s8 q7, q4, q6
  vldrw.u32 q6, [r3, #16]
  vmullb.s8 q6, q5, q6
  vadd.i16 q7, q7, q6
  add_products q7, q0, q1
  vldrw.u32 q6, [r3], #16
  vmullt.s8 q4, q4, q6
  vldrw.u32 q6, [r3], #16
  vmullt.s8 q5, q5, q6
  vadd.i16 q4, q4, q5
  add_products q4, q2, q3
  le lr, 2b
3:
  rescale q0, 0
  rescale q1, 1
  rescale q2, 2
  rescale q3, 3
  add r3, #128
  vqmovnb.s32 q0, q0
  vqmovnt.s32 q0, q1
  vqadd.s16 q0, q0, r9
  vqmovnb.s32 q2, q2
  vqmovnt.s32 q2, q3
  vqadd.s16 q2, q2, r9
  vqmovnb.s16 q0, q0
  vqmovnt.s16 q0, q2
  adds r2, #16
  vpst
  vstrbt.8 q0, [r6], #16
  subs r7, #16
  bgt channels
  vpop {d8-d15}
  pop {r4-r10, pc}
  .size anvil_lanes__mve, . - anvil_lanes__mve
