/* A bare Cortex-M under QEMU: results and the exit code go out by semihosting. */
#include <stdint.h>

#include "platform.h"

enum { SEMIHOSTING_OPEN = 0x01, SEMIHOSTING_WRITE = 0x05, SEMIHOSTING_EXIT_EXTENDED = 0x20 };
enum { OPEN_FOR_WRITING = 4, APPLICATION_EXIT = 0x20026 };

extern uint32_t stack_top[];
void Reset_Handler(void);
static void fault(void);

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[] = {
    (uintptr_t)stack_top, (uintptr_t)Reset_Handler, (uintptr_t)fault, (uintptr_t)fault,
    (uintptr_t)fault,     (uintptr_t)fault,         (uintptr_t)fault,
};

static uint32_t standard_output;

static uint32_t semihosting(uint32_t operation, const void *arguments) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void leave(uint32_t code) {
  const uint32_t arguments[] = {APPLICATION_EXIT, code};
  semihosting(SEMIHOSTING_EXIT_EXTENDED, arguments);
  for (;;) {
  }
}

static void fault(void) {
  leave(99);
}

void platform_write(const void *data, size_t n_bytes) {
  const uintptr_t arguments[] = {standard_output, (uintptr_t)data, n_bytes};
  if (semihosting(SEMIHOSTING_WRITE, arguments) != 0) {
    leave(98);
  }
}

void Reset_Handler(void) {
#ifdef __ARM_FP
  volatile uint32_t *const coprocessor_access = (volatile uint32_t *)0xE000ED88;
  *coprocessor_access |= 0xFu << 20; /* the FPU is off after reset */
  __asm__ volatile("dsb\n isb" ::: "memory");
#endif
  static const char terminal[] = ":tt";
  const uintptr_t arguments[] = {(uintptr_t)terminal, OPEN_FOR_WRITING, sizeof terminal - 1};
  standard_output = semihosting(SEMIHOSTING_OPEN, arguments);
  run_cases();
  leave(0);
}
