/* The console over semihosting: the emulator's standard input and output.
   Semihosting for AArch32 and AArch64, release 2.0, whose operations RISC-V shares. */
#include <stdint.h>

#include "common/device.h"

#define SYS_OPEN 0x01
#define SYS_WRITE 0x05
#define SYS_READ 0x06
#define SYS_EXIT_EXTENDED 0x20
#define OPEN_READ_BINARY 1
#define OPEN_WRITE_BINARY 5
#define ADP_STOPPED_APPLICATION_EXIT 0x20026

#ifdef __riscv
/* RISC-V Semihosting 1.0: the breakpoint counts between these two, none of them compressed and all
   on one page. */
static int32_t semihosting(int32_t operation, const void *arguments) {
  register int32_t a0 __asm__("a0") = operation;
  register const void *a1 __asm__("a1") = arguments;
  __asm__ volatile(
      ".option push\n"
      ".option norvc\n"
      ".balign 16\n"
      "slli zero, zero, 0x1f\n"
      "ebreak\n"
      "srai zero, zero, 7\n"
      ".option pop"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
}
#else
static int32_t semihosting(int32_t operation, const void *arguments) {
  register int32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
#endif

static uintptr_t input = (uintptr_t)-1;
static uintptr_t output = (uintptr_t)-1;

/* Calls of the host are slow: what is written is kept until somebody waits for an answer. Small, so
   that whatever fits the device fits here. */
static uint8_t outgoing[256];
static size_t n_outgoing;

static uintptr_t open_stream(uintptr_t mode) {
  static const char name[] = ":tt";
  const uintptr_t arguments[] = {(uintptr_t)name, mode, sizeof name - 1};
  return (uintptr_t)semihosting(SYS_OPEN, arguments);
}

void console_start(void) {
  input = open_stream(OPEN_READ_BINARY);
  output = open_stream(OPEN_WRITE_BINARY);
}

static void flush(void) {
  const uint8_t *data = outgoing;
  while (n_outgoing > 0) {
    const uintptr_t arguments[] = {output, (uintptr_t)data, n_outgoing};
    const int32_t n_left = semihosting(SYS_WRITE, arguments);
    if (n_left < 0 || (size_t)n_left >= n_outgoing) {
      break; /* nobody reads */
    }
    data += n_outgoing - (size_t)n_left;
    n_outgoing = (size_t)n_left;
  }
  n_outgoing = 0;
}

size_t console_read(uint8_t *buffer, size_t capacity) {
  const uintptr_t arguments[] = {input, (uintptr_t)buffer, capacity};
  flush();
  /* The number of bytes that were not read; all of them at the end of the input. */
  const int32_t n_left = semihosting(SYS_READ, arguments);
  return n_left < 0 || (size_t)n_left > capacity ? 0 : capacity - (size_t)n_left;
}

void console_write(const uint8_t *data, size_t n_bytes) {
  for (size_t i = 0; i < n_bytes; i++) {
    if (n_outgoing == sizeof outgoing) {
      flush();
    }
    outgoing[n_outgoing++] = data[i];
  }
}

_Noreturn void console_end(int status) {
  const uintptr_t arguments[] = {ADP_STOPPED_APPLICATION_EXIT, (uintptr_t)status};
  flush();
  for (;;) {
    semihosting(SYS_EXIT_EXTENDED, arguments);
  }
}
