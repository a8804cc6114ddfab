/* The FE310-G002 on its crystal of 16 MHz, which its flash and serial port are used with: what is
   loaded before starts it on a ring oscillator that is no clock for a serial port. Registers are
   from the FE310-G002 Manual: PRCI, GPIO. */
#include <stdint.h>

#include "common/device.h"

#define REGISTER(address) (*(volatile uint32_t *)(uintptr_t)(address))
#define PRCI_HFXOSCCFG REGISTER(0x10008004u)
#define PRCI_PLLCFG REGISTER(0x10008008u)
#define PRCI_PLLOUTDIV REGISTER(0x1000800Cu)
#define OSCILLATOR_ENABLE (1u << 30)
#define OSCILLATOR_READY (1u << 31)
#define PLL_SELECT (1u << 16)
#define PLL_REFERENCE_CRYSTAL (1u << 17)
#define PLL_BYPASS (1u << 18)
#define PLL_DIVIDE_BY_1 (1u << 8)
#define GPIO_IOF_EN REGISTER(0x10012038u)
#define GPIO_IOF_SEL REGISTER(0x1001203Cu)
#define UART0_PINS ((1u << 16) | (1u << 17)) /* RX and TX, their first function */

void soc_start(void) {
  PRCI_HFXOSCCFG |= OSCILLATOR_ENABLE;
  while ((PRCI_HFXOSCCFG & OSCILLATOR_READY) == 0) {
  }
  /* The crystal goes round the PLL and is not divided; selected only once all of that holds. */
  PRCI_PLLOUTDIV = PLL_DIVIDE_BY_1;
  PRCI_PLLCFG |= PLL_BYPASS | PLL_REFERENCE_CRYSTAL;
  PRCI_PLLCFG |= PLL_SELECT;
  GPIO_IOF_SEL &= ~UART0_PINS;
  GPIO_IOF_EN |= UART0_PINS;
}
