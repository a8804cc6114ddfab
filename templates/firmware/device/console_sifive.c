/* The console over the UART of SiFive's Freedom E300, polled; 8N1 without flow control. Register
   offsets are from the FE310-G002 Manual, UART. */
#include <stdbool.h>
#include <stdint.h>

#include "board.h"
#include "common/device.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UART(offset) REGISTER(CONSOLE_BASE + (offset))
#define TXDATA UART(0x00)
#define RXDATA UART(0x04)
#define TXCTRL UART(0x08)
#define RXCTRL UART(0x0C)
#define DIV UART(0x18)
#define TXDATA_FULL (1u << 31)
#define RXDATA_EMPTY (1u << 31)
#define CTRL_ENABLE 1u

static bool started;

void console_start(void) {
  DIV = CONSOLE_DIVIDER - 1; /* the rate is the clock over div + 1 */
  TXCTRL = CTRL_ENABLE;
  RXCTRL = CTRL_ENABLE;
  started = true;
}

/* What has arrived: the receiver keeps eight bytes, and a reading of its register takes one. */
size_t console_read(uint8_t *buffer, size_t capacity) {
  size_t n_bytes = 0;
  while (n_bytes < capacity) {
    const uint32_t found = RXDATA;
    if ((found & RXDATA_EMPTY) == 0) {
      buffer[n_bytes++] = (uint8_t)found;
    } else if (n_bytes > 0) {
      break;
    }
  }
  return n_bytes;
}

void console_write(const uint8_t *data, size_t n_bytes) {
  if (!started) {
    return; /* a fault came first */
  }
  for (size_t i = 0; i < n_bytes; i++) {
    while ((TXDATA & TXDATA_FULL) != 0) {
    }
    TXDATA = data[i];
  }
}

_Noreturn void console_end(int status) {
  (void)status;
  for (;;) {
    __asm__ volatile("wfi");
  }
}
