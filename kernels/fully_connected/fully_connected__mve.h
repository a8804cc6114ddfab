/* FULLY_CONNECTED on MVE, with constants in the layout dot_rows. */
#ifndef ANVIL_FULLY_CONNECTED_MVE_H
#define ANVIL_FULLY_CONNECTED_MVE_H

#include "fully_connected/fully_connected.h"

void anvil_fully_connected_int8_rows__mve(const anvil_fully_connected_int8_parameters *parameters,
                                          const int8_t *input, const int32_t *blocks,
                                          int8_t *output);

#endif
