/* The console over the UART of Arm's Cortex-M System Design Kit, polled; 8N1 without flow
   control. Register offsets are from the kit's Technical Reference Manual, APB UART. */
#include <stdbool.h>
#include <stdint.h>

#include "board.h"
#include "common/device.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UART(offset) REGISTER(CONSOLE_BASE + (offset))
#define DATA UART(0x00)
#define STATE UART(0x04)
#define CTRL UART(0x08)
#define BAUDDIV UART(0x10)
#define STATE_TX_FULL 1u
#define STATE_RX_FULL 2u
#define STATE_RX_OVERRUN 8u
#define CTRL_TX_ENABLE 1u
#define CTRL_RX_ENABLE 2u

static bool started;

void console_start(void) {
  BAUDDIV = CONSOLE_DIVIDER;
  CTRL = CTRL_TX_ENABLE | CTRL_RX_ENABLE;
  started = true;
}

/* One byte at a time: the receiver keeps no more. A byte takes more than a thousand cycles on
   the line, and the host waits for each answer. */
size_t console_read(uint8_t *buffer, size_t capacity) {
  (void)capacity;
  while ((STATE & STATE_RX_FULL) == 0) {
  }
  *buffer = (uint8_t)DATA;
  STATE = STATE_RX_OVERRUN; /* ones clear; the CRC finds what an overrun lost */
  return 1;
}

void console_write(const uint8_t *data, size_t n_bytes) {
  if (!started) {
    return; /* a fault came first */
  }
  for (size_t i = 0; i < n_bytes; i++) {
    while ((STATE & STATE_TX_FULL) != 0) {
    }
    DATA = data[i];
  }
}

_Noreturn void console_end(int status) {
  (void)status;
  for (;;) {
    __asm__ volatile("wfi");
  }
}
