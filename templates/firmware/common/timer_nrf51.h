/* TIMER0 of the nRF51, the only one with 32 bits; nRF51 Series Reference Manual, TIMER. It counts
   16 MHz, divided by 2^prescaler, in the chip and in the emulator. */
#ifndef ANVIL_TIMER_NRF51_H
#define ANVIL_TIMER_NRF51_H

#include <stdint.h>

#define TIMER0(offset) (*(volatile uint32_t *)(uintptr_t)(0x40008000u + (offset)))
#define TIMER0_TASKS_START TIMER0(0x000)
#define TIMER0_TASKS_CAPTURE0 TIMER0(0x040)
#define TIMER0_BITMODE TIMER0(0x508)
#define TIMER0_PRESCALER TIMER0(0x510)
#define TIMER0_CC0 TIMER0(0x540)
#define TIMER0_BITMODE_32 3u

static inline void timer_start(uint32_t prescaler) {
  TIMER0_BITMODE = TIMER0_BITMODE_32;
  TIMER0_PRESCALER = prescaler;
  TIMER0_TASKS_START = 1;
}

static inline uint32_t timer_now(void) {
  TIMER0_TASKS_CAPTURE0 = 1;
  return TIMER0_CC0;
}

#endif
