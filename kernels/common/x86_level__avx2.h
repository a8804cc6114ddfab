/* What the processor has beyond AVX2, found out as the program runs. */
#ifndef ANVIL_COMMON_X86_LEVEL_AVX2_H
#define ANVIL_COMMON_X86_LEVEL_AVX2_H

#include <stdint.h>

enum {
  ANVIL_X86_AVX2 = 1,
  ANVIL_X86_AVXVNNI = 2, /* vpdpbusd on registers of 256 bits, encoded as VEX */
  /* on any registers, encoded as EVEX, with AVX-512F, DQ, BW and VL; there may be no AVX-VNNI */
  ANVIL_X86_AVX512VNNI = 3
};

/* The most of these. The first call asks the processor, which a virtual machine may answer
 * slowly; the answer is kept. */
int32_t anvil_x86_level(void);

#endif
