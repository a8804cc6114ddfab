/* The console over the UART of Nordic's nRF51, polled; 8N1 without flow control. Register offsets
   are from the nRF51 Series Reference Manual, UART and GPIO. */
#include <stdbool.h>
#include <stdint.h>

#include "board.h"
#include "common/device.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UART(offset) REGISTER(CONSOLE_BASE + (offset))
#define TASKS_STARTRX UART(0x000)
#define TASKS_STARTTX UART(0x008)
#define EVENTS_RXDRDY UART(0x108)
#define EVENTS_TXDRDY UART(0x11C)
#define ERRORSRC UART(0x480)
#define ENABLE UART(0x500)
#define PSELRTS UART(0x508)
#define PSELTXD UART(0x50C)
#define PSELCTS UART(0x510)
#define PSELRXD UART(0x514)
#define RXD UART(0x518)
#define TXD UART(0x51C)
#define BAUDRATE UART(0x524)
#define CONFIG UART(0x56C)
#define ENABLE_UART 4u
#define PSEL_DISCONNECTED 0xFFFFFFFFu

/* There is one port. */
#define GPIO_OUTSET REGISTER(0x50000508u)
#define GPIO_PIN_CNF(pin) REGISTER(0x50000700u + (pin) * 4u)
#define PIN_CNF_OUTPUT 0x3u        /* output, input buffer disconnected */
#define PIN_CNF_INPUT_PULL_UP 0xCu /* an open line reads as idle */

static bool started;

void console_start(void) {
  GPIO_OUTSET = 1u << CONSOLE_TX_PIN; /* idle before the UART drives it */
  GPIO_PIN_CNF(CONSOLE_TX_PIN) = PIN_CNF_OUTPUT;
  GPIO_PIN_CNF(CONSOLE_RX_PIN) = PIN_CNF_INPUT_PULL_UP;

  PSELTXD = CONSOLE_TX_PIN;
  PSELRXD = CONSOLE_RX_PIN;
  PSELRTS = PSEL_DISCONNECTED;
  PSELCTS = PSEL_DISCONNECTED;
  BAUDRATE = CONSOLE_BAUDRATE;
  CONFIG = 0; /* no flow control, no parity */
  ENABLE = ENABLE_UART;
  EVENTS_RXDRDY = 0;
  EVENTS_TXDRDY = 0;
  TASKS_STARTRX = 1;
  TASKS_STARTTX = 1;
  started = true;
}

/* One byte at a time. The event is cleared before its byte is read, since reading moves the next
   one of the receiver's six up, which raises it again. */
size_t console_read(uint8_t *buffer, size_t capacity) {
  (void)capacity;
  while (EVENTS_RXDRDY == 0) {
  }
  EVENTS_RXDRDY = 0;
  *buffer = (uint8_t)RXD;
  ERRORSRC = ERRORSRC; /* ones clear; the CRC finds what an error damaged */
  return 1;
}

void console_write(const uint8_t *data, size_t n_bytes) {
  if (!started) {
    return; /* a fault came first */
  }
  for (size_t i = 0; i < n_bytes; i++) {
    EVENTS_TXDRDY = 0;
    TXD = data[i];
    while (EVENTS_TXDRDY == 0) {
    }
  }
}

_Noreturn void console_end(int status) {
  (void)status;
  for (;;) {
    __asm__ volatile("wfi");
  }
}
