/* From reset to main on RISC-V, and the handler of every trap: none must happen, since no
   interrupt is enabled. */
#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "protocol.h"

extern uint32_t _stack_bottom[], _stack_top[]; /* memory.ld */
extern uint32_t _data_load[], _data_start[], _data_end[];
extern uint32_t _bss_start[], _bss_end[];

int main(void);
void Reset_Handler(void);

/* First in the flash, where the core begins. Nothing is reached through gp. */
__attribute__((section(".vectors"), naked, noreturn)) void Reset_Handler(void) {
  __asm__ volatile(
      ".option push\n"
      ".option arch, +zicsr\n"
      "csrw mie, zero\n"
      "lla t0, trap_handler\n"
      "csrw mtvec, t0\n"
      ".option pop\n"
      "lla sp, _stack_top\n"
      "andi sp, sp, -16\n"
      "j start\n");
}

/* volatile keeps the compiler from calling memcpy and memset before the memory is theirs. */
__attribute__((used, noreturn)) static void start(void) {
  const volatile uint32_t *source = _data_load;
  for (volatile uint32_t *word = _data_start; word < _data_end; word++) {
    *word = *source++;
  }
  for (volatile uint32_t *word = _bss_start; word < _bss_end; word++) {
    *word = 0;
  }
  console_end(main());
}

/* Tells the host what happened. */
__attribute__((used, noreturn)) static void report_trap(uint32_t cause, uint32_t pc, uint32_t ra,
                                                        uint32_t value, uint32_t sp) {
  protocol_begin(MESSAGE_FAULT, 0);
  protocol_put_u32(cause);
  protocol_put_u32(pc);
  protocol_put_u32(ra);
  protocol_put_u32(value);
  protocol_put_u32(sp);
  protocol_put_u32((uint32_t)(uintptr_t)_stack_bottom);
  protocol_end();
  console_end(1);
}

/* Starts again at the stack's top, since the stack may be what is full: nothing returns from here.
   mtvec takes addresses of whole words. */
__attribute__((used, naked, noreturn, aligned(4))) static void trap_handler(void) {
  __asm__ volatile(
      ".option push\n"
      ".option arch, +zicsr\n"
      "csrr a0, mcause\n"
      "csrr a1, mepc\n"
      "mv a2, ra\n"
      "csrr a3, mtval\n"
      "mv a4, sp\n"
      ".option pop\n"
      "lla sp, _stack_top\n"
      "andi sp, sp, -16\n"
      "j report_trap\n");
}
