/* Six output pixels of CONV_2D by eight channels at a time, on WebAssembly's vectors. */
#ifndef ANVIL_CONV_2D_SIX_PIXELS_SIMD128_H
#define ANVIL_CONV_2D_SIX_PIXELS_SIMD128_H

#include "common/pair_blocks__simd128.h"

/* With a block of channels these have twelve vectors of sums: as many as leave room in 16 registers
 * for the weights and one pair. */
enum { ANVIL_PIXELS = 6 };

/* Windows as 16-bit numbers: row i of pixel j is n_pairs pairs at rows[j][i * step] + offset[j]. */
typedef struct {
  const int16_t *const *rows[ANVIL_PIXELS];
  int32_t offset[ANVIL_PIXELS];
  int32_t step;
  int32_t n_rows;
  int32_t n_pairs;
} anvil_windows;

/* The outputs of the first n_pixels windows; all of them are read. */
void anvil_six_pixels__simd128(const anvil_pair_channels *channels, const anvil_windows *windows,
                               int32_t n_pixels, int8_t *output);

#endif
