/* Sums of 4 pixels by 4 output channels, in assembly. */
#ifndef ANVIL_COMMON_DOTS_4X4_RV32_H
#define ANVIL_COMMON_DOTS_4X4_RV32_H

#include <stdint.h>

/* block: of the layout high_blocks; windows: of the first pixel, the others' follow at `distance`
 * bytes each; totals: 4 pixels of each channel. */
void anvil_dots_4x4__rv32(const int32_t *block, const int8_t *windows, int32_t distance,
                          int32_t n_products, uint32_t totals[16]);

#endif
