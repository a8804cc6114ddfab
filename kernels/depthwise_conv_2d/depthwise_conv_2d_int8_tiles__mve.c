#include <stdbool.h>

#include "common/bytes__mve.h"
#include "depthwise_conv_2d/depthwise_conv_2d__mve.h"
#include "depthwise_conv_2d/tiles__mve.h"

#define INLINE static inline __attribute__((always_inline))

enum { TAPS = 3 };

typedef anvil_depthwise_conv_2d_int8_tiles_parameters parameters_of_tiles;

/* A block of outputs, and how its records lie in memory. */
typedef struct {
  int32_t rows;
  int32_t columns;
  int32_t strip; /* bytes from a strip of records to the next */
  int32_t n_strips;
} block;

INLINE int32_t between(int32_t value, int32_t least, int32_t most) {
  return value < least ? least : value > most ? most : value;
}

INLINE bool is_shared(const parameters_of_tiles *p) {
  return p->stride_h == 1 && p->stride_w == 1;
}

/* The n-th pair of rows or columns; where their number is odd the last pair repeats one. */
INLINE int32_t pair_at(int32_t n, int32_t count) {
  return 2 * n + 2 > count ? count - 2 : 2 * n;
}

INLINE block block_of(const parameters_of_tiles *p, int32_t rows, int32_t columns) {
  return (block){.rows = rows,
                 .columns = columns,
                 .strip = ((rows - 1) * p->stride_h + TAPS) * ANVIL_RECORD,
                 .n_strips = is_shared(p) ? (columns + 1) / 2 : columns};
}

/* The tiles of a block: where each reads its records and writes, from the block's first output. */
static __attribute__((noinline)) int32_t list_tiles(const parameters_of_tiles *p, const block *b,
                                                    const int8_t *records, uint32_t *table) {
  const uint32_t first = (uint32_t)(uintptr_t)records;
  const uint32_t below = (uint32_t)(p->stride_h * ANVIL_RECORD);
  const uint32_t beside = (uint32_t)b->strip;
  const int32_t n_down = (b->rows + 1) / 2;
  const int32_t n_across = (b->columns + 1) / 2;
  for (int32_t across = 0; across < n_across; ++across) {
    const int32_t column = pair_at(across, b->columns);
    for (int32_t down = 0; down < n_down; ++down) {
      const int32_t row = pair_at(down, b->rows);
      const uint32_t output = (uint32_t)((row * p->output_w + column) * p->input_channels);
      const uint32_t at = first + (uint32_t)row * below;
      if (is_shared(p)) {
        *table++ = at + (uint32_t)across * beside;
        *table++ = output;
      } else {
        const uint32_t left = at + (uint32_t)column * beside;
        *table++ = left;
        *table++ = left + beside;
        *table++ = output;
        *table++ = left + below;
        *table++ = left + beside + below;
      }
    }
  }
  return n_down * n_across;
}

/* Records of all strips of a block for 16 channels. `image` is at the first of them, `y` and `x`
 * is where the block's first window begins. */
static __attribute__((noinline)) void spread(const parameters_of_tiles *p, const block *b,
                                             const int8_t *image, int32_t y, int32_t x,
                                             const int8_t *zero_points, anvil_strip *strip) {
  const int32_t row = p->input_w * p->input_channels;
  const int32_t n_rows = (b->rows - 1) * p->stride_h + TAPS;
  const int32_t above = between(-y, 0, n_rows);
  const int32_t end = between(p->input_h - y, above, n_rows);
  const int8_t *const first = image + (y + above) * row;
  int8_t *const records = strip->records;
  strip->above = above * ANVIL_RECORD;
  strip->n_rows = end - above;
  strip->below = (n_rows - end) * ANVIL_RECORD;
  for (int32_t n = 0; n < b->n_strips; ++n) {
    int32_t column = x + (is_shared(p) ? pair_at(n, b->columns) : n * p->stride_w);
    const int8_t *from = first + column * p->input_channels;
    for (int i = 0; i < ANVIL_RECORD_COLUMNS; ++i) {
      const bool is_inside = column >= 0 && column < p->input_w;
      strip->columns[i] = is_inside ? from : zero_points;
      strip->steps[i] = is_inside ? row : 0;
      from += p->input_channels;
      ++column;
    }
    anvil_spread_strip__mve(strip);
    strip->records += b->strip;
  }
  strip->records = records;
}

/* All channels of a block, 16 by 16. */
INLINE void compute(const parameters_of_tiles *p, const block *b, const int8_t *image, int32_t y,
                    int32_t x, const int8_t *zero_points, anvil_strip *strip, anvil_tiles *tiles,
                    const int32_t *channels, int8_t *output) {
  const uint32_t pixel = (uint32_t)p->input_channels;
  const uint32_t row = (uint32_t)p->output_w * pixel;
  uint32_t to = (uint32_t)(uintptr_t)output;
  /* After 16 zeros, which are what is before the first weights. */
  tiles->weights = (const int8_t *)(channels + 4);
  tiles->rescale = channels + 4 + 4 * p->input_channels;
  for (int32_t left = p->input_channels; left > 0; left -= ANVIL_RECORD_CHANNELS) {
    const int32_t n_channels = between(left, 0, ANVIL_RECORD_CHANNELS);
    strip->n_channels = n_channels;
    tiles->n_channels = n_channels;
    spread(p, b, image, y, x, zero_points, strip);
    tiles->outputs[0] = to;
    tiles->outputs[1] = to + pixel;
    tiles->outputs[2] = to + row;
    tiles->outputs[3] = to + row + pixel;
    if (is_shared(p)) {
      anvil_tiles_shared__mve(tiles);
    } else {
      anvil_tiles_apart__mve(tiles);
    }
    image += ANVIL_RECORD_CHANNELS;
    to += ANVIL_RECORD_CHANNELS;
    tiles->weights += ANVIL_RECORD_CHANNELS * 16;
    tiles->rescale += ANVIL_RECORD_CHANNELS * 4;
  }
}

void anvil_depthwise_conv_2d_int8_tiles__mve(
    const anvil_depthwise_conv_2d_int8_tiles_parameters *parameters, const int8_t *input,
    const int32_t *channels, int8_t *output, void *scratch) {
  const parameters_of_tiles p = *parameters;
  int8_t *const zero_points = scratch;
  int8_t *const records = zero_points + ANVIL_RECORD_CHANNELS;
  const int32_t n_outputs = p.output_h * p.output_w * p.input_channels;
  anvil_strip strip = {.records = records, .value = p.input_zero_point};
  /* A filter has three rows. What would be the fourth is multiplied by zeros. */
  anvil_tiles tiles = {
      .words = {0, ANVIL_RECORD, 2 * ANVIL_RECORD, (is_shared(&p) ? 3 : 2) * ANVIL_RECORD}};
  block listed = {.rows = 0};
  anvil_fill_bytes(zero_points, (int8_t)p.input_zero_point, ANVIL_RECORD_CHANNELS);
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t y = 0; y < p.output_h; y += p.block_rows) {
      const int32_t rows = between(p.output_h - y, 0, p.block_rows);
      for (int32_t x = 0; x < p.output_w; x += p.block_columns) {
        const int32_t columns = between(p.output_w - x, 0, p.block_columns);
        if (rows != listed.rows || columns != listed.columns) {
          listed = block_of(&p, rows, columns);
          uint32_t *const table = (uint32_t *)(void *)(records + listed.n_strips * listed.strip);
          tiles.table = table;
          tiles.n_tiles = list_tiles(&p, &listed, records, table);
        }
        compute(&p, &listed, input, y * p.stride_h - p.pad_top, x * p.stride_w - p.pad_left,
                zero_points, &strip, &tiles, channels,
                output + (y * p.output_w + x) * p.input_channels);
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
    output += n_outputs;
  }
  anvil_clamp_bytes(output - p.batches * n_outputs, p.batches * n_outputs, INT8_MIN, p.output_max);
}
