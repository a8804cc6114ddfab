/* FULLY_CONNECTED on WebAssembly's vectors, with constants in the layout pair_blocks. */
#ifndef ANVIL_FULLY_CONNECTED_SIMD128_H
#define ANVIL_FULLY_CONNECTED_SIMD128_H

#include "fully_connected/fully_connected.h"

/* scale and away rescale each unit's sum, see common/pair_blocks__simd128.h. */
void anvil_fully_connected_int8_blocks__simd128(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const double *scale, const double *away,
    int8_t *output, void *scratch);

#endif
