/* WebAssembly: run.mjs provides platform_write and calls run_cases. */
#include "platform.h"

__attribute__((import_module("platform"), import_name("write"))) void imported_write(
    const void *data, size_t n_bytes);

void platform_write(const void *data, size_t n_bytes) {
  imported_write(data, n_bytes);
}
