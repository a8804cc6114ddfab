/* The core's cycle counter, mcycle; The RISC-V Instruction Set Manual, volume II. */
#include <stdint.h>

#include "common/device.h"

static uint32_t overhead;

static void nothing(void) {
  __asm__ volatile("");
}

static inline uint32_t cycles(void) {
  uint32_t found;
  __asm__ volatile(".option push\n .option arch, +zicsr\n csrr %0, mcycle\n .option pop"
                   : "=r"(found)::"memory");
  return found;
}

/* The low half wraps after 2^32 cycles, which is more than four minutes at 16 MHz. */
static uint32_t cycles_of(void (*work)(void)) {
  const uint32_t start = cycles();
  work();
  return cycles() - start;
}

void counter_start(void) {
  cycles_of(nothing); /* fills the cache */
  overhead = cycles_of(nothing);
}

enum counter_kind counter_kind(void) {
  return COUNTER_CYCLES;
}

uint64_t counter_measure(void (*work)(void)) {
  const uint32_t found = cycles_of(work);
  return found > overhead ? found - overhead : 0;
}
