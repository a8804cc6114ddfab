/* FULLY_CONNECTED on AArch64 with dot products, weights as plan/layouts/neon_rows.py packs them. */
#ifndef ANVIL_FULLY_CONNECTED_DOTPROD_H
#define ANVIL_FULLY_CONNECTED_DOTPROD_H

#include "fully_connected/fully_connected.h"

/* scales: the bits of a double for each unit. */
void anvil_fully_connected_int8_rows__dotprod(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int64_t *scales, int8_t *output);

#endif
