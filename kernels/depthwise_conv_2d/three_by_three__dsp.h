/* One channel of a strip of a depthwise 3x3 convolution, in assembly. */
#ifndef ANVIL_THREE_BY_THREE_DSP_H
#define ANVIL_THREE_BY_THREE_DSP_H

#include <stdint.h>

/* Where a strip's outputs go, and how they are rescaled; the same for all of its channels. */
typedef struct {
  /* Bytes from a row's first output to each other one. 0 where there is none: what is stored
   * there is overwritten by the first. */
  int32_t offsets[5];
  int32_t row_bytes;   /* of the output */
  int32_t plane_bytes; /* of the rows that the strip starts at */
  int32_t addend;
} anvil_three_by_three_strip;

/* plane: rows of words, each a pair of neighbouring columns times 2^8, four words to a row with
 * stride 1 and five with stride 2. channel: five words, as anvil_depthwise_conv_2d_int8_3x3__dsp
 * has them. The number at the end is that of outputs in a row. */
void anvil_three_by_three_stride1_6(const int32_t *plane, int8_t *output, const int32_t *channel,
                                    const anvil_three_by_three_strip *strip);
void anvil_three_by_three_stride1_5(const int32_t *plane, int8_t *output, const int32_t *channel,
                                    const anvil_three_by_three_strip *strip);
void anvil_three_by_three_stride2_4(const int32_t *plane, int8_t *output, const int32_t *channel,
                                    const anvil_three_by_three_strip *strip);

#endif
