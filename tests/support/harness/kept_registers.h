/* Whether a function on Cortex-M keeps what the procedure call standard asks it to keep. */
#ifndef KEPT_REGISTERS_H
#define KEPT_REGISTERS_H

#include <stdint.h>

typedef void (*plain)(void);

uint32_t stack_before;

/* How many of the registers are not as they were after function(a, b, c, d). */
__attribute__((naked, noinline)) static uint32_t changed(const void *a, const void *b,
                                                         const void *c, const void *d,
                                                         plain function) {
  __asm__ volatile(
      "ldr r12, [sp]\n"
      "push {r4-r11, lr}\n"
      "vpush {s16-s31}\n"
      "sub sp, #4\n"
      ".irp n, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "mov r\\n, #(0x11111111 + (\\n << 4) - (\\n << 4) + 0)\n"
      "add r\\n, #\\n\n"
      ".endr\n"
      ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
      "vmov s\\n, r4\n"
      "add r4, #1\n"
      ".endr\n"
      "mov r4, r5\n"
      "sub r4, #1\n"
      "push {r12}\n"
      "ldr r12, =stack_before\n"
      "str sp, [r12]\n"
      "ldr r12, [sp]\n"
      "blx r12\n"
      "mov r0, #0\n"
      "ldr r12, =stack_before\n"
      "ldr r12, [r12]\n"
      "cmp r12, sp\n"
      "it ne\n"
      "addne r0, #100\n"
      "mov sp, r12\n"
      "add sp, #4\n"
      ".irp n, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "mov r1, #0x11111111\n"
      "add r1, #\\n\n"
      "cmp r1, r\\n\n"
      "it ne\n"
      "addne r0, #1\n"
      ".endr\n"
      "mov r1, #0x11111111\n"
      "add r1, #4\n"
      ".irp n, 16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n"
      "vmov r2, s\\n\n"
      "cmp r1, r2\n"
      "it ne\n"
      "addne r0, #1\n"
      "add r1, #1\n"
      ".endr\n"
      "add sp, #4\n"
      "vpop {s16-s31}\n"
      "pop {r4-r11, pc}\n"
      ".ltorg\n");
}

/* Changes r4, s20 and the stack pointer: what the test is there to find. */
__attribute__((naked, noinline)) static void careless(void) {
  __asm__ volatile("mov r4, #0\n vmov s20, r4\n push {r4}\n bx lr\n");
}

#endif
