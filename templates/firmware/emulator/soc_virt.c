/* QEMU's virt answers below its RAM, where a microcontroller has nothing: without a guard there a
   stack overflow would go unseen. Physical memory protection holds for all modes where it is
   locked; The RISC-V Instruction Set Manual, volume II. */
#include <stdint.h>

#include "common/device.h"

extern uint32_t _stack_bottom[]; /* memory.ld: where the RAM begins */

#define GUARD_BYTES 0x10000u
#define LOCKED_POWER_OF_TWO_WITHOUT_RIGHTS 0x98u

void soc_start(void) {
  const uint32_t guard = (uint32_t)(uintptr_t)_stack_bottom - GUARD_BYTES;
  const uint32_t address = guard >> 2 | (GUARD_BYTES / 8 - 1);
  __asm__ volatile(
      ".option push\n"
      ".option arch, +zicsr\n"
      "csrw pmpaddr0, %0\n"
      "csrw pmpcfg0, %1\n"
      ".option pop" ::"r"(address),
      "r"(LOCKED_POWER_OF_TWO_WITHOUT_RIGHTS)
      : "memory");
}
