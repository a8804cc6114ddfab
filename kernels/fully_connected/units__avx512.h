/* All units of a row, with a block of them in one vector. */
#ifndef ANVIL_FULLY_CONNECTED_UNITS_AVX512_H
#define ANVIL_FULLY_CONNECTED_UNITS_AVX512_H

#include "common/channel_blocks__avx512.h"

/* depth activations as they are; each unit reads all of them. */
void anvil_all_units__avx512(const anvil_channels *channels, int32_t depth, const int8_t *input,
                             int8_t *output);

#endif
