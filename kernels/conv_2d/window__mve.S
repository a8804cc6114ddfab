/* A window of an image as one run of bytes, for MVE.

   void anvil_window__mve(const anvil_window *window, const int8_t *from, int8_t *to);
                                                            window__mve.h has the struct

   In assembly, since a loop that counts bytes needs three instructions for 16 of them, compilers
   at hand find seven, and around it they keep what they need in memory. */

  .syntax unified
  .text
  .balign 4
  .global anvil_window__mve
  .thumb_func
  .type anvil_window__mve, %function
anvil_window__mve:
  push {r4-r10, lr}
  ldm r0, {r3-r10, r12}
  /* r3 value, r4 row, r5 run, r6 left, r7 inside, r8 mask, r9 above, r10 rows, r12 below */
  vdup.8 q1, r3
  mov r0, r2
  wlstp.8 lr, r9, 2f
1:
  vstrb.8 q1, [r0], #16
  letp lr, 1b
2:
  add r2, r9
  cmp r5, #16
  bhi long_rows
  vmsr p0, r8
  wls lr, r10, 5f
4:
  vpst
  vldrbt.u8 q0, [r1]
  add r1, r4
  vpsel q0, q0, q1
  vstrb.8 q0, [r2]
  add r2, r5
  le lr, 4b
5:
  wlstp.8 lr, r12, 7f
6:
  vstrb.8 q1, [r2], #16
  letp lr, 6b
7:
  pop {r4-r10, pc}

long_rows:
  cmp r10, #0
  ble 5b
  cmp r7, r5
  bne row_in_part
whole_row:
  mov r0, r2
  mov r3, r1
  wlstp.8 lr, r5, 9f
8:
  vldrb.u8 q0, [r3], #16
  vstrb.8 q0, [r0], #16
  letp lr, 8b
9:
  add r1, r4
  add r2, r5
  subs r10, #1
  bne whole_row
  b 5b

row_in_part:
  mov r0, r2
  wlstp.8 lr, r5, 11f
10:
  vstrb.8 q1, [r0], #16
  letp lr, 10b
11:
  add r0, r2, r6
  add r3, r1, r6
  wlstp.8 lr, r7, 13f
12:
  vldrb.u8 q0, [r3], #16
  vstrb.8 q0, [r0], #16
  letp lr, 12b
13:
  add r1, r4
  add r2, r5
  subs r10, #1
  bne row_in_part
  b 5b
  .size anvil_window__mve, . - anvil_window__mve
