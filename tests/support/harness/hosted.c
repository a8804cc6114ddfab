/* A program with a C library, which the address sanitizer takes. */
#include <stdio.h>
#include <stdlib.h>

#include "platform.h"

void platform_write(const void *data, size_t n_bytes) {
  if (fwrite(data, 1, n_bytes, stdout) != n_bytes) {
    exit(1);
  }
}

int main(void) {
  run_cases();
  return fflush(stdout) == 0 ? 0 : 1;
}
