/* One channel's row of outputs of a depthwise convolution with stride 1 along rows, in assembly. */
#ifndef ANVIL_ROW_OF_WINDOWS_DSP_H
#define ANVIL_ROW_OF_WINDOWS_DSP_H

#include <stdint.h>

typedef struct {
  const int32_t *rescaling; /* bias, what is added to a sum below 0, multiplier, addend */
  int32_t filter_h;
  int32_t n_words;    /* of a row of weights, for windows that begin at an even column */
  int32_t skip_bytes; /* from the words that a window has read of a row to the next row */
  int32_t pixel;      /* bytes of the output from one column to the next */
  int32_t output_w;
} anvil_row_of_windows_channel;

/* columns: rows of words, each a pair of neighbouring columns times 2^8. weights: of each word that
 * for an even column and that for an odd one, row after row. */
void anvil_row_of_windows(const uint32_t *columns, const uint32_t *weights, int8_t *output,
                          const anvil_row_of_windows_channel *channel);

#endif
