/* Instructions, by a timer of the emulated machine. With `-icount shift=0` the emulator's
   clock advances by 1 ns with every instruction, and a timer of 25 MHz by one tick with every
   40. Without that option the number means nothing. */
#include <stdint.h>

#include "common/device.h"
#include "machine.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
/* Cortex-M System Design Kit, APB timer */
#define TIMER_CTRL REGISTER(TIMER_BASE + 0x0u)
#define TIMER_VALUE REGISTER(TIMER_BASE + 0x4u)
#define TIMER_RELOAD REGISTER(TIMER_BASE + 0x8u)
#define CTRL_ENABLE 1u

static uint32_t overhead_ticks;

static void nothing(void) {
  __asm__ volatile("");
}

/* The timer counts down, from a start that no single inference reaches the end of. */
static uint32_t ticks_of(void (*work)(void)) {
  const uint32_t start = TIMER_VALUE;
  work();
  return start - TIMER_VALUE;
}

void counter_start(void) {
  TIMER_RELOAD = UINT32_MAX;
  TIMER_VALUE = UINT32_MAX;
  TIMER_CTRL = CTRL_ENABLE;
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
