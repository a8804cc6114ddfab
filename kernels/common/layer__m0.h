/* Byte offsets in what channels__m0.h calls the layer, and in a channel's record; for assembly. */
#ifndef ANVIL_COMMON_LAYER_M0_H
#define ANVIL_COMMON_LAYER_M0_H

#define DEPTH 0
#define CHANNELS 4
#define BLOCK 8
#define HALF 12
#define ROUNDING 16
#define LEAST 20
#define GREATEST 24

#define BIAS 0
#define MULTIPLIER_LOW 4
#define MULTIPLIER_HIGH 6
#define SHIFT 8
#define RECORD_BYTES 12

#endif
