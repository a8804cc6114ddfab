/* The sums of two columns of values with all output channels, rescaled: dots_2x4__mve.S. */
#ifndef ANVIL_COMMON_DOTS_2X4_MVE_H
#define ANVIL_COMMON_DOTS_2X4_MVE_H

#include <stdint.h>

enum { ANVIL_DOTS_STEP = 16 };

typedef struct {
  const int8_t *values[2]; /* 16 bytes for each step, at multiples of 4; what fills up the last one
                              is multiplied by 0 */
  const int32_t *blocks;   /* as the layout dot_blocks packs them */
  int8_t *output;          /* of the first column */
  int32_t output_distance; /* bytes from there to the second column's; 0 where both are the same */
  int32_t n_channels;
  int32_t n_steps;
  int32_t zero_point;  /* of the output */
  const int8_t *input; /* of pairs of columns that lie one behind the other, the first one */
  int32_t n_pairs;     /* copied to `values` one after the other; outputs lie so, too */
  int32_t pair_bytes;  /* 0 where `values` are there already, and those alone are wanted */
} anvil_dots_2x4;

void anvil_dots_2x4__mve(const anvil_dots_2x4 *dots);

#endif
