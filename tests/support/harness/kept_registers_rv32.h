/* Whether a function on RV32 keeps what its calling convention asks it to keep. */
#ifndef KEPT_REGISTERS_RV32_H
#define KEPT_REGISTERS_RV32_H

#include <stdint.h>

typedef void (*plain)(void);

/* The stack pointer, then s0 to s11 as they are before and after. */
uint32_t stack_before;
uint32_t kept_after[12];

/* How many of s0 to s11 are not as they were after function(a, b, c, d, e); 100 more if the stack
 * pointer is not. */
__attribute__((naked, noinline)) static uint32_t changed(const void *a, const void *b, int32_t c,
                                                         int32_t d, void *e, plain function) {
  __asm__ volatile(
      "addi sp, sp, -64\n"
      "sw ra, 0(sp)\n"
      ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11\n"
      "sw s\\n, (4 + 4 * \\n)(sp)\n"
      "li s\\n, 0x11110000 + \\n\n"
      ".endr\n"
      "lla t0, stack_before\n"
      "sw sp, 0(t0)\n"
      "jalr a5\n"
      "lla t0, kept_after\n"
      ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11\n"
      "sw s\\n, (4 * \\n)(t0)\n"
      ".endr\n"
      "li a0, 0\n"
      "lla t1, stack_before\n"
      "lw t1, 0(t1)\n"
      "beq t1, sp, 1f\n"
      "li a0, 100\n"
      "mv sp, t1\n"
      "1:\n"
      ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11\n"
      "lw t1, (4 * \\n)(t0)\n"
      "li t2, 0x11110000 + \\n\n"
      "sub t1, t1, t2\n"
      "snez t1, t1\n"
      "add a0, a0, t1\n"
      "lw s\\n, (4 + 4 * \\n)(sp)\n"
      ".endr\n"
      "lw ra, 0(sp)\n"
      "addi sp, sp, 64\n"
      "ret\n");
}

/* Changes s0, s11 and the stack pointer: what the test is there to find. */
__attribute__((naked, noinline)) static void careless(void) {
  __asm__ volatile("li s0, 0\n li s11, 0\n addi sp, sp, -16\n ret\n");
}

#endif
