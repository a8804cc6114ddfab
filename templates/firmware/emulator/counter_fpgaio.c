/* Instructions, by the free-running counter among the FPGA's system registers (Application
   Note AN547, FPGA system control and I/O). With `-icount shift=0` the emulator's clock
   advances by 1 ns with every instruction, and a counter of 20 MHz by one tick with every 50.
   Without that option the number means nothing. */
#include <stdint.h>

#include "common/device.h"
#include "machine.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define COUNTER REGISTER(TIMER_BASE + 0x18u)
#define PRESCALE REGISTER(TIMER_BASE + 0x1Cu)

static uint32_t overhead_ticks;

static void nothing(void) {
  __asm__ volatile("");
}

/* It counts up, and no single inference takes a whole round of it. */
static uint32_t ticks_of(void (*work)(void)) {
  const uint32_t start = COUNTER;
  work();
  return COUNTER - start;
}

void counter_start(void) {
  PRESCALE = 0;
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
