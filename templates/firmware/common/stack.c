#include "stack.h"

#define PATTERN 0xA5A5A5A5u

extern uint32_t _stack_bottom[], _stack_top[]; /* memory.ld */

__attribute__((noinline)) void stack_paint(void) {
  uintptr_t sp;
#ifdef __riscv
  __asm__ volatile("mv %0, sp" : "=r"(sp));
#else
  __asm__ volatile("mov %0, sp" : "=r"(sp));
#endif
  /* Nothing lives below the stack pointer: this function calls nobody. */
  const volatile uint32_t *end = (const uint32_t *)sp;
  for (volatile uint32_t *word = _stack_bottom; word < end; word++) {
    *word = PATTERN;
  }
}

uint32_t stack_high_water_mark(void) {
  const volatile uint32_t *word = _stack_bottom;
  while (word < _stack_top && *word == PATTERN) {
    word++;
  }
  return (uint32_t)((uintptr_t)_stack_top - (uintptr_t)word);
}
