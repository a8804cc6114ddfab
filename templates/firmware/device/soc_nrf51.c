/* nRF51 clocks; register addresses from the nRF51 Series Reference Manual, CLOCK. */
#include <stdint.h>

#include "common/device.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define CLOCK_TASKS_HFCLKSTART REGISTER(0x40000000u)
#define CLOCK_EVENTS_HFCLKSTARTED REGISTER(0x40000100u)
/* Many times what a crystal takes to start: a board without one goes on with the internal
   oscillator. */
#define MAX_POLLS 1000000u

void soc_start(void) {
  /* Without the crystal the baud rate is off by up to a few percent. */
  CLOCK_EVENTS_HFCLKSTARTED = 0;
  CLOCK_TASKS_HFCLKSTART = 1;
  for (uint32_t i = 0; i < MAX_POLLS && CLOCK_EVENTS_HFCLKSTARTED == 0; i++) {
  }
}
