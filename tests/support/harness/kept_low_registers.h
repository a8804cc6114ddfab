/* kept_registers.h for cores of Armv6-M: r4 to r11 and the stack pointer, five arguments. */
#ifndef KEPT_LOW_REGISTERS_H
#define KEPT_LOW_REGISTERS_H

#include <stdint.h>

typedef void (*plain)(void);

uint32_t stack_before;

/* How many of the registers are not as they were after function(a, b, c, d, e); 100 more where
 * the stack pointer is not. */
__attribute__((naked, noinline)) static uint32_t changed(const void *a, const void *b,
                                                         const void *c, const void *d,
                                                         const void *e, plain function) {
  __asm__ volatile(
      "push {r4-r7, lr}\n"
      "mov r4, r8\n"
      "mov r5, r9\n"
      "mov r6, r10\n"
      "mov r7, r11\n"
      "push {r4-r7}\n"
      "ldr r4, [sp, #36]\n"
      "ldr r5, [sp, #40]\n"
      "sub sp, #12\n"
      "str r4, [sp]\n"
      "mov r12, r5\n"
      "ldr r4, =stack_before\n"
      "mov r5, sp\n"
      "str r5, [r4]\n"
      ".irp n, 8, 9, 10, 11\n"
      "movs r4, #\\n\n"
      "mov r\\n, r4\n"
      ".endr\n"
      ".irp n, 4, 5, 6, 7\n"
      "movs r\\n, #\\n\n"
      ".endr\n"
      "blx r12\n"
      "movs r0, #0\n"
      ".irp n, 4, 5, 6, 7, 8, 9, 10, 11\n"
      "mov r1, r\\n\n"
      "cmp r1, #\\n\n"
      "beq 1f\n"
      "adds r0, #1\n"
      "1:\n"
      ".endr\n"
      "ldr r1, =stack_before\n"
      "ldr r1, [r1]\n"
      "cmp r1, sp\n"
      "beq 1f\n"
      "adds r0, #100\n"
      "mov sp, r1\n"
      "1: add sp, #12\n"
      "pop {r4-r7}\n"
      "mov r8, r4\n"
      "mov r9, r5\n"
      "mov r10, r6\n"
      "mov r11, r7\n"
      "pop {r4-r7, pc}\n"
      ".ltorg\n");
}

/* Changes r4, r11 and the stack pointer: what the test is there to find. */
__attribute__((naked, noinline)) static void careless(void) {
  __asm__ volatile("movs r4, #0\n mov r11, r4\n push {r4}\n bx lr\n");
}

#endif
