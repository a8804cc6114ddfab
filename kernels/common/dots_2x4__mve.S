/* Two columns of int8 values by blocks of four output channels, for MVE.

   void anvil_dots_2x4__mve(const anvil_dots_2x4 *dots);     dots_2x4__mve.h has the struct

   In assembly, since VMLADAVA accumulates into even core registers alone and this takes all eight
   of them; no compiler at hand keeps them there. Beside them

     r1, r11  the columns            r3  weights and scales, in the order in which they are read
     r5       the first column's output      r7  output channels left      r9  rounds left
     sp       what a block begins with: r1, r9, r11; where the first round enters, and the last
              one; the zero point, and how far the second column's output lies behind the first's;
              of pairs: what is still to be copied, how many are left, and the first one's output

   A step is 16 products of each sum. Rounds of eight steps lie unrolled, the highest step first, and
   the last round enters in the middle. Step 0 comes before all of them, since it need not add. */

  .syntax unified
  .text

#define STEP_BYTES 56
#define AT_FIRST 12
#define AT_LAST 16
#define AT_ZERO_POINT 20
#define AT_PAIRS 28
#define AT_OUTPUT 36
#define AT_DOTS 40

  .macro step multiply, offset
  vldrw.u32 q0, [r1, #\offset]
  vldrw.u32 q1, [r11, #\offset]
  vldrw.u32 q2, [r3], #16
  \multiply r0, q0, q2
  \multiply r8, q1, q2
  vldrw.u32 q3, [r3], #16
  \multiply r2, q0, q3
  \multiply r10, q1, q3
  vldrw.u32 q2, [r3], #16
  \multiply r4, q0, q2
  \multiply r12, q1, q2
  vldrw.u32 q3, [r3], #16
  \multiply r6, q0, q3
  \multiply lr, q1, q3
  .endm

  .balign 4
  .global anvil_dots_2x4__mve
  .thumb_func
  .type anvil_dots_2x4__mve, %function
anvil_dots_2x4__mve:
  push {r4-r11, lr}
  sub sp, #44
  str r0, [sp, #AT_DOTS]
  ldrd r1, r11, [r0]                /* columns */
  ldrd r3, r5, [r0, #8]             /* weights, output */
  ldrd r2, r7, [r0, #16]            /* bytes between outputs, channels */
  ldrd r9, r4, [r0, #24]            /* steps, zero point */
  strd r4, r2, [sp, #AT_ZERO_POINT]
  str r1, [sp]
  str r11, [sp, #8]
  /* Steps behind step 0: 8 * (rounds - 1) + m, m from 1 to 8; or none at all, in one round. */
  adr.w r4, rescale + 1
  sub r8, r4, #(8 * STEP_BYTES)
  subs r9, #1
  beq 1f
  subs r2, r9, #1
  and r2, r2, #7
  adds r2, #1                       /* m */
  movs r6, #STEP_BYTES
  mls r4, r2, r6, r4
  adds r9, #7
  lsrs r9, r9, #3
  b 2f
1:
  movs r2, #1
  mov r9, r2
2:
  str r4, [sp, #AT_LAST]
  cmp r9, #1
  it eq
  moveq r8, r4
  str r8, [sp, #AT_FIRST]
  str r9, [sp, #4]
  ldr r2, [r0, #40]
  cbz r2, block
  ldrd r4, r6, [r0, #32]

pair:                               /* r2 bytes from r4, r6 left */
  mov r8, r4
  ldr r1, [sp]
  wlstp.8 lr, r2, 6f
5:
  vldrb.u8 q0, [r8], #16
  vstrb.8 q0, [r1], #16
  letp lr, 5b
6:
  add r4, r2
  strd r4, r6, [sp, #AT_PAIRS]
  str r5, [sp, #AT_OUTPUT]

block:
  ldm sp, {r1, r9, r11}
  step vmladav.s8, 0
  ldr pc, [sp, #AT_FIRST]
more:
  add r1, #128
  add r11, #128
  cmp r9, #1
  it eq
  ldreq pc, [sp, #AT_LAST]
  .balign 4
round:
  step vmladava.s8, 128
  step vmladava.s8, 112
  step vmladava.s8, 96
  step vmladava.s8, 80
  step vmladava.s8, 64
  step vmladava.s8, 48
  step vmladava.s8, 32
  step vmladava.s8, 16
  .balign 4
rescale:
  subs r9, #1
  bne more
  vmov q0[2], q0[0], r0, r4
  vmov q0[3], q0[1], r2, r6
  vmov q1[2], q1[0], r8, r12
  vmov q1[3], q1[1], r10, lr
  vldrw.u32 q2, [r3], #16           /* bias */
  vldrw.u32 q3, [r3], #16           /* multiplier */
  ldrd r0, r4, [sp, #AT_ZERO_POINT]
  vadd.i32 q0, q0, q2
  vadd.i32 q1, q1, q2
  vldrw.u32 q2, [r3], #16           /* shift, below 0 */
  movs r2, #1
  vqrdmulh.s32 q0, q0, q3
  vqrdmulh.s32 q1, q1, q3
  /* x + (2 * x * 1 >> 32): 1 less where x is negative, so that VRSHL sends its halves away from 0. */
  vqdmlah.s32 q0, q0, r2
  vqdmlah.s32 q1, q1, r2
  vrshl.s32 q0, q0, q2
  vrshl.s32 q1, q1, q2
  add r4, r5
  vqmovnb.s32 q0, q0
  vqmovnt.s32 q0, q1
  vqadd.s16 q0, q0, r0
  vqmovnb.s16 q0, q0
  vshr.u32 q1, q0, #16
  subs r7, #4
  bmi 3f
  vstrb.32 q0, [r5], #4
  vstrb.32 q1, [r4]
  bne block
  b 4f
3:
  adds r7, #4
  vctp.32 r7
  vpstt
  vstrbt.32 q0, [r5]
  vstrbt.32 q1, [r4]
4:
  ldr r0, [sp, #AT_DOTS]
  ldr r2, [r0, #40]
  cbz r2, 7f
  ldrd r4, r6, [sp, #AT_PAIRS]
  subs r6, #1
  beq 7f
  ldr r5, [sp, #AT_OUTPUT]
  ldr r3, [r0, #8]
  ldr r7, [r0, #20]
  add r5, r5, r7, lsl #1
  b pair
7:
  add sp, #44
  pop {r4-r11, pc}
  .size anvil_dots_2x4__mve, . - anvil_dots_2x4__mve
