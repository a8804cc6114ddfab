#include "common/x86_level__avx2.h"

#include <cpuid.h>

/* The most that is used of it, which whoever compiles this may lower. */
#ifndef ANVIL_X86_MOST_LEVEL
#define ANVIL_X86_MOST_LEVEL ANVIL_X86_AVX512VNNI
#endif

/* A kernel must not keep anything, but this is no state of an inference: every thread that finds
 * it unknown writes the same. */
enum { UNKNOWN = 0 };
static int32_t known_level;

/* AVX512F, DQ, BW and VL. */
static const unsigned int level_4 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
static const unsigned int avx512_vnni = 1u << 11;
static const unsigned int avx_vnni = 1u << 4;
/* The state of SSE, AVX and AVX-512. */
static const unsigned int saved_by_the_system = 0xE6;

/* Who runs this has AVX2, hence a system that keeps its registers and says which others. */
static unsigned int saved_registers(void) {
  unsigned int low;
  unsigned int high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

static int32_t found_level(void) {
  unsigned int a = 0;
  unsigned int b = 0;
  unsigned int c = 0;
  unsigned int d = 0;
  if (ANVIL_X86_MOST_LEVEL >= ANVIL_X86_AVX512VNNI && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
      (b & level_4) == level_4 && (c & avx512_vnni) &&
      (saved_registers() & saved_by_the_system) == saved_by_the_system) {
    return ANVIL_X86_AVX512VNNI;
  }
  if (ANVIL_X86_MOST_LEVEL >= ANVIL_X86_AVXVNNI && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
      (a & avx_vnni)) {
    return ANVIL_X86_AVXVNNI;
  }
  return ANVIL_X86_AVX2;
}

int32_t anvil_x86_level(void) {
  int32_t level = __atomic_load_n(&known_level, __ATOMIC_RELAXED);
  if (level == UNKNOWN) {
    level = found_level();
    __atomic_store_n(&known_level, level, __ATOMIC_RELAXED);
  }
  return level;
}
