/* The console over UARTE, Nordic's UART with EasyDMA, polled; 8N1 without flow control.
   Register offsets are from the nRF52840 Product Specification, UARTE and GPIO. */
#include <stdbool.h>
#include <stdint.h>

#include "board.h"
#include "common/device.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define UARTE(offset) REGISTER(CONSOLE_BASE + (offset))
#define TASKS_STARTRX UARTE(0x000)
#define TASKS_STARTTX UARTE(0x008)
#define EVENTS_ENDRX UARTE(0x110)
#define EVENTS_ENDTX UARTE(0x120)
#define ERRORSRC UARTE(0x480)
#define ENABLE UARTE(0x500)
#define PSEL_RTS UARTE(0x508)
#define PSEL_TXD UARTE(0x50C)
#define PSEL_CTS UARTE(0x510)
#define PSEL_RXD UARTE(0x514)
#define BAUDRATE UARTE(0x524)
#define RXD_PTR UARTE(0x534)
#define RXD_MAXCNT UARTE(0x538)
#define TXD_PTR UARTE(0x544)
#define TXD_MAXCNT UARTE(0x548)
#define CONFIG UARTE(0x56C)
#define ENABLE_UARTE 8u
#define PSEL_DISCONNECTED 0xFFFFFFFFu

#define GPIO(port, offset) REGISTER(0x50000000u + (port) * 0x300u + (offset))
#define GPIO_OUTSET(port) GPIO(port, 0x508)
#define GPIO_PIN_CNF(port, pin) GPIO(port, 0x700 + (pin) * 4u)
#define PIN_CNF_OUTPUT 0x3u        /* output, input buffer disconnected */
#define PIN_CNF_INPUT_PULL_UP 0xCu /* an open line reads as idle */

static volatile uint8_t received; /* EasyDMA writes it behind the compiler's back */
static bool started;

static void arm_receiver(void) {
  EVENTS_ENDRX = 0;
  RXD_PTR = (uint32_t)(uintptr_t)&received;
  RXD_MAXCNT = 1;
  TASKS_STARTRX = 1;
}

void console_start(void) {
  GPIO_OUTSET(CONSOLE_TX_PORT) = 1u << CONSOLE_TX_PIN; /* idle before the UARTE drives it */
  GPIO_PIN_CNF(CONSOLE_TX_PORT, CONSOLE_TX_PIN) = PIN_CNF_OUTPUT;
  GPIO_PIN_CNF(CONSOLE_RX_PORT, CONSOLE_RX_PIN) = PIN_CNF_INPUT_PULL_UP;

  PSEL_TXD = CONSOLE_TX_PORT << 5 | CONSOLE_TX_PIN;
  PSEL_RXD = CONSOLE_RX_PORT << 5 | CONSOLE_RX_PIN;
  PSEL_RTS = PSEL_DISCONNECTED;
  PSEL_CTS = PSEL_DISCONNECTED;
  BAUDRATE = CONSOLE_BAUDRATE;
  CONFIG = 0; /* no flow control, no parity, one stop bit */
  ENABLE = ENABLE_UARTE;
  arm_receiver();
  started = true;
}

/* One byte at a time. The receiver is armed again at once, and its FIFO covers the gap and the
   host's first bytes while a frame is being answered: four bytes by the specification, five
   by Nordic's own driver. */
size_t console_read(uint8_t *buffer, size_t capacity) {
  (void)capacity;
  while (EVENTS_ENDRX == 0) {
  }
  *buffer = received;
  arm_receiver();
  ERRORSRC = ERRORSRC; /* ones clear; the CRC finds what an error damaged */
  return 1;
}

void console_write(const uint8_t *data, size_t n_bytes) {
  if (!started || n_bytes == 0) {
    return; /* not started: a fault came first */
  }
  /* What the compiler still holds in registers has to be in RAM before EasyDMA reads it. */
  __asm__ volatile("dsb" ::: "memory");
  EVENTS_ENDTX = 0;
  TXD_PTR = (uint32_t)(uintptr_t)data;
  TXD_MAXCNT = (uint32_t)n_bytes;
  TASKS_STARTTX = 1;
  while (EVENTS_ENDTX == 0) {
  }
}

_Noreturn void console_end(int status) {
  (void)status;
  for (;;) {
    __asm__ volatile("wfi");
  }
}
