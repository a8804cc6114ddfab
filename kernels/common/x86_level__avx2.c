#include "common/x86_level__avx2.h"

#include <cpuid.h>

/* A kernel must not keep anything, but this is no state of an inference: every thread that finds
 * it unknown writes the same. */
enum { UNKNOWN = 0, MISSING = 1, PRESENT = 2 };
static int32_t avxvnni;

int32_t anvil_x86_has_avxvnni(void) {
  int32_t level = __atomic_load_n(&avxvnni, __ATOMIC_RELAXED);
  if (level == UNKNOWN) {
    unsigned int a = 0;
    unsigned int b = 0;
    unsigned int c = 0;
    unsigned int d = 0;
    /* Leaf 7, subleaf 1. Who runs this has AVX2, hence a system that keeps its registers. */
    level = __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4) ? PRESENT : MISSING;
    __atomic_store_n(&avxvnni, level, __ATOMIC_RELAXED);
  }
  return level == PRESENT;
}
