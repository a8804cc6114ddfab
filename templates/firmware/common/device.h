#ifndef ANVIL_DEVICE_H
#define ANVIL_DEVICE_H

#include <stddef.h>
#include <stdint.h>

/* What differs between the board and the emulator; each has a folder that defines it all. */

enum counter_kind {
  COUNTER_CYCLES = 1,
  COUNTER_INSTRUCTIONS = 2,
};

/* Clocks and caches; before anything else of this header. */
void soc_start(void);

void console_start(void);

/* Waits for input and stores up to `capacity` bytes of it; 0 at the end of the input, which
   only the emulator has. */
size_t console_read(uint8_t *buffer, size_t capacity);

/* `data` lies in RAM; EasyDMA reads nothing else. It may change once this returns. */
void console_write(const uint8_t *data, size_t n_bytes);

/* Never returns. `status` is the emulator's exit code. */
_Noreturn void console_end(int status);

void counter_start(void);
enum counter_kind counter_kind(void);

/* Calls `work` and returns what it took, the cost of the measurement left out. */
uint64_t counter_measure(void (*work)(void));

#endif
