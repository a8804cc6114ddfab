/* The channels of one window, on Cortex-M cores without the DSP extension. Rows of weights lie one
 * behind another, filled up with zeros to four rows where there are fewer; a record of three int32
 * belongs to each: bias, multiplier, right shift - 1. anvil/plan/layouts/plain_rows.py makes both.
 */
#ifndef ANVIL_COMMON_CHANNELS_M0_H
#define ANVIL_COMMON_CHANNELS_M0_H

#include <stdint.h>

/* The int8 outputs of all channels of one window, whose `depth` values lie side by side.
 *
 * layer: depth, channels, block (4, or the channels where they are fewer), half, rounding,
 * least, greatest, as the kernels' parameters have them at their end. */
void anvil_m0_channels(const int8_t *window, int8_t *output, const int32_t *layer,
                       const int8_t *weights, const int32_t *records);

#endif
