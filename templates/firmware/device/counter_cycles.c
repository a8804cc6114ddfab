/* The processor's cycle counter; ARMv7-M Architecture Reference Manual, C1.8. It wraps after
   2^32 cycles: 67 s at 64 MHz. */
#include <stdint.h>

#include "common/device.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define DWT_CTRL REGISTER(0xE0001000u)
#define DWT_CYCCNT REGISTER(0xE0001004u)
#define DEMCR REGISTER(0xE000EDFCu)
#define DWT_CTRL_CYCCNTENA 1u
#define DEMCR_TRCENA (1u << 24)

static uint32_t overhead;

static void nothing(void) {
  __asm__ volatile("");
}

static uint32_t cycles_of(void (*work)(void)) {
  const uint32_t start = DWT_CYCCNT;
  work();
  return DWT_CYCCNT - start;
}

void counter_start(void) {
  DEMCR |= DEMCR_TRCENA;
  DWT_CYCCNT = 0;
  DWT_CTRL |= DWT_CTRL_CYCCNTENA;
  cycles_of(nothing); /* fills the cache */
  overhead = cycles_of(nothing);
}

enum counter_kind counter_kind(void) {
  return COUNTER_CYCLES;
}

uint64_t counter_measure(void (*work)(void)) {
  const uint32_t cycles = cycles_of(work);
  return cycles > overhead ? cycles - overhead : 0;
}
