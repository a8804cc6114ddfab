/* Instructions, by a timer of the emulated chip. With `-icount shift=0` the emulator's clock
   advances by 1 ns with every instruction, and a timer of 16 MHz / 2 by one tick with every 125.
   Without that option the number means nothing. */
#include <stdint.h>

#include "common/device.h"
#include "common/timer_nrf51.h"
#include "machine.h"

static uint32_t overhead_ticks;

static void nothing(void) {
  __asm__ volatile("");
}

static uint32_t ticks_of(void (*work)(void)) {
  const uint32_t start = timer_now();
  work();
  return timer_now() - start;
}

void counter_start(void) {
  timer_start(1);
  overhead_ticks = ticks_of(nothing);
}

enum counter_kind counter_kind(void) {
  return COUNTER_INSTRUCTIONS;
}

uint64_t counter_measure(void (*work)(void)) {
  const uint32_t ticks = ticks_of(work);
  const uint32_t net_ticks = ticks > overhead_ticks ? ticks - overhead_ticks : 0;
  return (uint64_t)net_ticks * INSTRUCTIONS_PER_TICK;
}
