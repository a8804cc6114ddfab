/* What a program of kernel cases needs from the machine that it runs on. */
#ifndef ANVIL_TESTS_PLATFORM_H
#define ANVIL_TESTS_PLATFORM_H

#include <stddef.h>

void platform_write(const void *data, size_t n_bytes);

/* Defined by the generated cases.c: runs every case and writes what it computed. */
void run_cases(void);

#endif
