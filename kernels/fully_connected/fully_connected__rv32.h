/* FULLY_CONNECTED on RV32IM, with constants in the layout high_blocks. */
#ifndef ANVIL_FULLY_CONNECTED_RV32_H
#define ANVIL_FULLY_CONNECTED_RV32_H

#include "fully_connected/fully_connected.h"

void anvil_fully_connected_int8_blocks__rv32(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int32_t *blocks, int8_t *output);

#endif
