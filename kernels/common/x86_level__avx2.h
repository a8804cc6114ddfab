/* What the processor has beyond AVX2, found out as the program runs. */
#ifndef ANVIL_COMMON_X86_LEVEL_AVX2_H
#define ANVIL_COMMON_X86_LEVEL_AVX2_H

#include <stdint.h>

/* Whether there are vpdpbusd on registers of 256 bits, encoded as VEX. The first call asks the
 * processor, which a virtual machine may answer slowly; the answer is kept. */
int32_t anvil_x86_has_avxvnni(void);

#endif
