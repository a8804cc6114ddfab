/* Instructions, by the core's own counter of them, minstret; The RISC-V Instruction Set Manual,
   volume II. QEMU counts in it where it is started with `-icount shift=0`; without that option the
   number means nothing. */
#include <stdint.h>

#include "common/device.h"

static uint32_t overhead;

static void nothing(void) {
  __asm__ volatile("");
}

static inline uint32_t instructions(void) {
  uint32_t found;
  __asm__ volatile(".option push\n .option arch, +zicsr\n csrr %0, minstret\n .option pop"
                   : "=r"(found)::"memory");
  return found;
}

/* No single inference takes a whole round of its low half. */
static uint32_t instructions_of(void (*work)(void)) {
  const uint32_t start = instructions();
  work();
  return instructions() - start;
}

void counter_start(void) {
  overhead = instructions_of(nothing);
}

enum counter_kind counter_kind(void) {
  return COUNTER_INSTRUCTIONS;
}

uint64_t counter_measure(void (*work)(void)) {
  const uint32_t found = instructions_of(work);
  return found > overhead ? found - overhead : 0;
}
