/* Windows of a depthwise convolution over interleaved values, on AVX2 and beyond. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_COLUMN_SUMS_AVX2_H
#define ANVIL_DEPTHWISE_CONV_2D_COLUMN_SUMS_AVX2_H

#include "common/channel_blocks__avx2.h"

/* Where values lie interleaved: of each channel the four, as unsigned bytes, that one place of
 * vpdpbusd takes. Neighbouring windows share them. */
typedef struct {
  const uint8_t *first; /* of the first window and the first channel */
  int32_t n_groups;     /* of four rows of taps */
  int32_t n_taps;       /* of a group */
  int32_t group_bytes;
  int32_t tap_bytes;   /* from the column of one tap to that of the next */
  int32_t pixel_bytes; /* from one window to the next */
  int32_t slide;       /* taps that lie so many of the four further on, where there is one group */
} anvil_columns;

/* Channels `begin` to `end` - 1 of n_pixels windows; `begin` starts a block. */
void anvil_outputs_of_columns__avx2(const anvil_columns *columns, const anvil_channels *channels,
                                    int32_t begin, int32_t end, int32_t n_pixels, int8_t *output);

/* The same, which calls it where the processor can. */
void anvil_outputs_of_columns__avx512(const anvil_columns *columns, const anvil_channels *channels,
                                      int32_t begin, int32_t end, int32_t n_pixels, int8_t *output);

/* n values of each of four rows, interleaved; bits that `flipped` has are flipped. */
void anvil_interleave__avx2(const int8_t *const rows[4], int32_t n, int32_t flipped, int32_t way,
                            uint8_t *to);
void anvil_interleave__avx512(const int8_t *const rows[4], int32_t n, int32_t flipped, uint8_t *to);

/* Up to 16 channels from `channel` on of n_pixels windows along a line with stride 1, over the
 * unsigned values of these channels, side by side for each pixel of the line. Up to three pixels
 * beyond the last window are read. */
void anvil_outputs_of_line__avx512(const uint8_t *pixels, int32_t n_groups, int32_t dilation,
                                   const anvil_channels *channels, int32_t channel,
                                   int32_t n_pixels, int8_t *output);

/* The next address that starts a vector, of memory that is aligned to 16 bytes. */
static inline uint8_t *anvil_aligned(uint8_t *to) {
  return to + (-(uintptr_t)to & (ANVIL_BLOCK_STEP - 1));
}

#endif
