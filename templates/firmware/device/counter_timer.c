/* Cycles, by a timer as fast as the core, which has no counter of its own. It wraps after 2^32
   cycles: 268 s at 16 MHz. */
#include <stdint.h>

#include "common/device.h"
#include "common/timer_nrf51.h"

static uint32_t overhead;

static void nothing(void) {
  __asm__ volatile("");
}

static uint32_t cycles_of(void (*work)(void)) {
  const uint32_t start = timer_now();
  work();
  return timer_now() - start;
}

void counter_start(void) {
  timer_start(0);
  overhead = cycles_of(nothing);
}

enum counter_kind counter_kind(void) {
  return COUNTER_CYCLES;
}

uint64_t counter_measure(void (*work)(void)) {
  const uint32_t cycles = cycles_of(work);
  return cycles > overhead ? cycles - overhead : 0;
}
