/* FULLY_CONNECTED on AVX2, with constants in the layout byte_blocks. */
#ifndef ANVIL_FULLY_CONNECTED_AVX2_H
#define ANVIL_FULLY_CONNECTED_AVX2_H

#include "fully_connected/fully_connected.h"

void anvil_fully_connected_int8_blocks__avx2(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int64_t *rounding,
    const int32_t *shift, int8_t *output, void *scratch);

#endif
