/* Outputs of a 3x3 depthwise convolution, four at a time, for MVE. tiles__mve.h has the structs.

   void anvil_tiles_shared__mve(const anvil_tiles *tiles);    stride 1: two rows of two outputs
                                                              read the same 4x4 values
   void anvil_tiles_apart__mve(const anvil_tiles *tiles);     each output reads its own
   void anvil_spread_strip__mve(const anvil_strip *strip);    makes the records that these read

   A record is four neighbouring columns of 16 channels, channel by channel, so that a word is four
   columns of a channel. A vector is gathered from four records, one below the other: 16 values of
   one channel, and one VMLADAV is an output's sum. In assembly, since only so all eight vectors
   and all but one core register keep what they have to.

     q0       where the records' words lie, from a tile's first one      q5  multiplier, in all lanes
     q1-q4    weights                                                    q6  where outputs lie
     r5       the table of tiles         r7, r8, r9  bias, addend, shift
     r10      weights    r11  bias, multiplier, addend, shift    r12  channels left */

  .syntax unified
  .text

  .macro begin
  push {r4-r11, lr}
  vpush {d8-d15}
  sub sp, #12
  ldm r0!, {r10, r11}
  ldm r0!, {r1, r3, r12}             /* the table, its length, channels */
  strd r1, r3, [sp]
  vldrw.u32 q0, [r0]
  vldrw.u32 q6, [r0, #16]
  .endm

  .macro begin_channel
  ldrd r7, r0, [r11], #8
  vdup.32 q5, r0
  ldrd r8, r9, [r11], #8
  ldrd r5, lr, [sp]
  dls lr, lr
  .endm

/* Sums in r0, r2, r4 and r6. */
  .macro store
  vmov q7[2], q7[0], r0, r4
  vmov q7[3], q7[1], r2, r6
  vadd.i32 q7, q7, r7
  vqrdmlash.s32 q7, q5, r8
  vshl.s32 q7, r9
  vqmovnb.s32 q7, q7
  vqmovnb.s16 q7, q7
  vstrb.32 q7, [r3, q6]
  .endm

  .macro end_channel
  movs r0, #4
  movs r2, #1
  vadd.i32 q0, q0, r0
  vadd.i32 q6, q6, r2
  subs r12, #1
  .endm

  .macro end
  add sp, #12
  vpop {d8-d15}
  pop {r4-r11, pc}
  .endm

  .balign 4
  .global anvil_tiles_shared__mve
  .thumb_func
  .type anvil_tiles_shared__mve, %function
anvil_tiles_shared__mve:
  begin
1:
  /* Before and behind a channel's 3 rows of weights are zeros: moved by a column and by a row. */
  vldrb.u8 q2, [r10, #-1]
  vldrb.u8 q3, [r10, #-4]
  vldrb.u8 q4, [r10, #-5]
  vldrb.u8 q1, [r10], #16
  begin_channel
2:
  ldrd r1, r3, [r5], #8
  vldrw.u32 q7, [r1, q0]
  vmladav.s8 r0, q7, q1
  vmladav.s8 r2, q7, q2
  vmladav.s8 r4, q7, q3
  vmladav.s8 r6, q7, q4
  store
  le lr, 2b
  end_channel
  bne 1b
  end
  .size anvil_tiles_shared__mve, . - anvil_tiles_shared__mve

  .balign 4
  .global anvil_tiles_apart__mve
  .thumb_func
  .type anvil_tiles_apart__mve, %function
anvil_tiles_apart__mve:
  begin
1:
  vldrb.u8 q1, [r10], #16
  begin_channel
2:
  ldm r5!, {r0, r2, r3, r4, r6}
  vldrw.u32 q2, [r0, q0]
  vldrw.u32 q3, [r2, q0]
  vmladav.s8 r0, q2, q1
  vldrw.u32 q4, [r4, q0]
  vmladav.s8 r2, q3, q1
  vldrw.u32 q7, [r6, q0]
  vmladav.s8 r4, q4, q1
  vmladav.s8 r6, q7, q1
  store
  le lr, 2b
  end_channel
  bne 1b
  end
  .size anvil_tiles_apart__mve, . - anvil_tiles_apart__mve

  .balign 4
  .global anvil_spread_strip__mve
  .thumb_func
  .type anvil_spread_strip__mve, %function
anvil_spread_strip__mve:
  push {r4-r11, lr}
  mov r12, r0
  /* r0-r3 columns, r4-r7 their steps, r8 records, r9 bytes above, r10 rows, r11 bytes below */
  ldm r12!, {r0-r11}
  ldrd r12, lr, [r12]                /* channels, value */
  vdup.8 q0, lr
  wlstp.8 lr, r9, 2f
1:
  vstrb.8 q0, [r8], #16
  letp lr, 1b
2:
  vmov.u8 r9, q0[0]
  vctp.8 r12
  wls lr, r10, 4f
3:
  vpstttt
  vldrbt.u8 q0, [r0]
  vldrbt.u8 q1, [r1]
  vldrbt.u8 q2, [r2]
  vldrbt.u8 q3, [r3]
  add r0, r4
  add r1, r5
  add r2, r6
  add r3, r7
  vst40.8 {q0, q1, q2, q3}, [r8]
  vst41.8 {q0, q1, q2, q3}, [r8]
  vst42.8 {q0, q1, q2, q3}, [r8]
  vst43.8 {q0, q1, q2, q3}, [r8]!
  le lr, 3b
4:
  vdup.8 q0, r9
  wlstp.8 lr, r11, 6f
5:
  vstrb.8 q0, [r8], #16
  letp lr, 5b
6:
  pop {r4-r11, pc}
  .size anvil_spread_strip__mve, . - anvil_spread_strip__mve
