/* Outputs of a 3x3 depthwise convolution, four at a time: tiles__mve.S. */
#ifndef ANVIL_DEPTHWISE_CONV_2D_TILES_MVE_H
#define ANVIL_DEPTHWISE_CONV_2D_TILES_MVE_H

#include <stdint.h>

enum { ANVIL_RECORD_COLUMNS = 4, ANVIL_RECORD_CHANNELS = 16, ANVIL_RECORD = 64 };

/* Four columns of an image as records, one for each row. Records beside the image are `value`. */
typedef struct {
  const int8_t *columns[4]; /* of the first row inside the image */
  int32_t steps[4];         /* from there to the next row, bytes; 0 where a column is beside */
  int8_t *records;
  int32_t above; /* bytes of records before the first row inside */
  int32_t n_rows;
  int32_t below;
  int32_t n_channels; /* to read, at most 16 */
  int32_t value;
  const int8_t *beside; /* as many bytes of `value` */
} anvil_strip;

typedef struct {
  const int8_t *weights;  /* 16 of each channel: three times three and a 0, then zeros */
  const int32_t *rescale; /* bias, multiplier, addend, shift of each channel */
  const uint32_t *table;  /* shared: a tile's first record and its first output; apart: the first
                             records of two outputs, where the first one lies, two more records */
  int32_t n_tiles;        /* at least 1 */
  int32_t n_channels;     /* at least 1 */
  uint32_t words[4];      /* where the words lie from a tile's record */
  uint32_t outputs[4];    /* where the outputs lie from the table's */
} anvil_tiles;

void anvil_spread_strip__mve(const anvil_strip *strip);
void anvil_tiles_shared__mve(const anvil_tiles *tiles);
void anvil_tiles_apart__mve(const anvil_tiles *tiles);

#endif
