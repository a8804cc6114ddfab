#include <stdbool.h>

#include "common/bytes__mve.h"
#include "depthwise_conv_2d/depthwise_conv_2d__mve.h"
#include "depthwise_conv_2d/tiles__mve.h"

#define INLINE static inline __attribute__((always_inline))

enum { TAPS = 3 };

typedef anvil_depthwise_conv_2d_int8_tiles_parameters parameters_of_tiles;

/* Outputs that are computed together, of 16 channels. */
typedef struct {
  int32_t rows;
  int32_t columns;
} extent;

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

/* The next part of what is left. No part is 1, since the last may be one more than `size`. */
INLINE int32_t part_of(int32_t left, int32_t size) {
  return left <= size + 1 ? left : size;
}

INLINE int32_t largest_part(int32_t whole, int32_t size) {
  return whole % size == 1 ? size + 1 : size;
}

/* Bytes from a strip of records to the next. */
INLINE int32_t strip_bytes(const parameters_of_tiles *p) {
  return ((largest_part(p->output_h, p->rows) - 1) * p->stride_h + TAPS) * ANVIL_RECORD;
}

INLINE int32_t strips_of(const parameters_of_tiles *p, int32_t columns) {
  return is_shared(p) ? (columns + 1) / 2 : columns;
}

/* A tile whose first record is `at`, and the next entry. Not inlined: as a part of the loop it is
 * made fast, which takes five times the code and saves nothing. */
static __attribute__((noinline)) uint32_t *list_tile(const parameters_of_tiles *p, uint32_t at,
                                                     uint32_t output, uint32_t *table) {
  if (is_shared(p)) {
    table[0] = at;
    table[1] = output;
    return table + 2;
  }
  const uint32_t below = at + (uint32_t)(p->stride_h * ANVIL_RECORD);
  const uint32_t beside = (uint32_t)strip_bytes(p);
  table[0] = at;
  table[1] = at + beside;
  table[2] = output;
  table[3] = below;
  table[4] = below + beside;
  return table + 5;
}

/* The tiles of outputs: where each reads its records, and where it writes, from the first output.
 * Rows of tiles follow each other, so that fewer rows are the same table's beginning, if even. */
static __attribute__((noinline)) void list_tiles(const parameters_of_tiles *p, extent outputs,
                                                 const int8_t *records, uint32_t *table) {
  for (int32_t down = 0; 2 * down < outputs.rows; ++down) {
    const int32_t row = pair_at(down, outputs.rows);
    for (int32_t across = 0; 2 * across < outputs.columns; ++across) {
      const int32_t column = pair_at(across, outputs.columns);
      const int8_t *const at = records + row * p->stride_h * ANVIL_RECORD +
                               (is_shared(p) ? across : column) * strip_bytes(p);
      table = list_tile(p, (uint32_t)(uintptr_t)at,
                        (uint32_t)((row * p->output_w + column) * p->input_channels), table);
    }
  }
}

/* Records of all strips for up to 16 channels, the first of which is at `image`; `y` and `x` is
 * where the first window begins. `kept` rows are there already, `after` bytes behind the first. */
static __attribute__((noinline)) void spread(const parameters_of_tiles *p, extent outputs,
                                             const int8_t *image, int32_t y, int32_t x,
                                             int32_t kept, int32_t after, anvil_strip *strip) {
  const int32_t row = p->input_w * p->input_channels;
  const int32_t n_rows = (outputs.rows - 1) * p->stride_h + TAPS;
  const int32_t above = between(-y, kept, n_rows);
  const int32_t end = between(p->input_h - y, above, n_rows);
  const int32_t n_strips = strips_of(p, outputs.columns);
  const int8_t *const first = image + (y + above) * row;
  int8_t *const records = strip->records;
  int8_t *to = records;
  strip->above = (above - kept) * ANVIL_RECORD;
  strip->n_rows = end - above;
  strip->below = (n_rows - end) * ANVIL_RECORD;
  for (int32_t n = 0; n < n_strips; ++n) {
    int32_t column = x + (is_shared(p) ? pair_at(n, outputs.columns) : n * p->stride_w);
    const int8_t *from = first + column * p->input_channels;
    for (int i = 0; i < ANVIL_RECORD_COLUMNS; ++i) {
      const bool is_inside = column >= 0 && column < p->input_w;
      strip->columns[i] = is_inside ? from : strip->beside;
      strip->steps[i] = is_inside ? row : 0;
      from += p->input_channels;
      ++column;
    }
    anvil_copy_bytes(to, to + after, kept * ANVIL_RECORD);
    strip->records = to + kept * ANVIL_RECORD;
    anvil_spread_strip__mve(strip);
    to += strip_bytes(p);
  }
  strip->records = records;
}

typedef struct {
  extent listed; /* what the table is of */
  anvil_strip strip;
  anvil_tiles tiles;
  uint32_t *table;
} state;

/* Up to 16 channels of a block, some rows at a time, from above: as rows of the image are written
 * over, all that later windows have of them is in the records. */
static __attribute__((noinline)) void compute_rows(const parameters_of_tiles *p, state *s,
                                                   extent block, const int8_t *image, int32_t y,
                                                   int32_t x, int8_t *output) {
  const uint32_t pixel = (uint32_t)p->input_channels;
  const uint32_t row = (uint32_t)p->output_w * pixel;
  uint32_t to = (uint32_t)(uintptr_t)output;
  int32_t kept = 0;
  int32_t next = 0;
  for (int32_t left = block.rows; left > 0; left = next) {
    const extent now = {.rows = part_of(left, p->rows), .columns = block.columns};
    next = left - now.rows;
    if (now.columns != s->listed.columns || now.rows > s->listed.rows ||
        (now.rows % 2 != 0 && now.rows != s->listed.rows)) {
      s->listed = now;
      list_tiles(p, now, s->strip.records, s->table);
    }
    spread(p, now, image, y, x, kept, p->rows * p->stride_h * ANVIL_RECORD, &s->strip);
    s->tiles.n_tiles = ((now.rows + 1) / 2) * ((now.columns + 1) / 2);
    s->tiles.outputs[0] = to;
    s->tiles.outputs[1] = to + pixel;
    s->tiles.outputs[2] = to + row;
    s->tiles.outputs[3] = to + row + pixel;
    if (is_shared(p)) {
      anvil_tiles_shared__mve(&s->tiles);
    } else {
      anvil_tiles_apart__mve(&s->tiles);
    }
    kept = between(TAPS - p->stride_h, 0, TAPS);
    y += now.rows * p->stride_h;
    to += (uint32_t)now.rows * row;
  }
}

/* All channels of a block, 16 by 16. */
INLINE void compute(const parameters_of_tiles *p, state *s, extent block, const int8_t *image,
                    int32_t y, int32_t x, const int32_t *channels, int8_t *output) {
  /* After 16 zeros, which are what is before the first weights. */
  s->tiles.weights = (const int8_t *)(channels + 4);
  s->tiles.rescale = channels + 4 + 4 * p->input_channels;
  for (int32_t left = p->input_channels; left > 0; left -= ANVIL_RECORD_CHANNELS) {
    s->strip.n_channels = between(left, 0, ANVIL_RECORD_CHANNELS);
    s->tiles.n_channels = s->strip.n_channels;
    compute_rows(p, s, block, image, y, x, output);
    image += ANVIL_RECORD_CHANNELS;
    output += ANVIL_RECORD_CHANNELS;
    s->tiles.weights += ANVIL_RECORD_CHANNELS * 16;
    s->tiles.rescale += ANVIL_RECORD_CHANNELS * 4;
  }
}

void anvil_depthwise_conv_2d_int8_tiles__mve(
    const anvil_depthwise_conv_2d_int8_tiles_parameters *parameters, const int8_t *input,
    const int32_t *channels, int8_t *output, void *scratch) {
  const parameters_of_tiles p = *parameters;
  int8_t *const beside = scratch;
  int8_t *const records = beside + ANVIL_RECORD_CHANNELS;
  const int32_t n_outputs = p.output_h * p.output_w * p.input_channels;
  const int32_t most_columns = largest_part(p.output_w, p.block_columns);
  state s;
  s.listed = (extent){0, 0};
  s.strip.records = records;
  s.strip.beside = beside;
  s.strip.value = p.input_zero_point;
  s.table = (uint32_t *)(void *)(records + strips_of(&p, most_columns) * strip_bytes(&p));
  for (int i = 0; i < 4; ++i) {
    /* A filter has three rows. What would be the fourth is multiplied by zeros. */
    s.tiles.words[i] = (uint32_t)between(i, 0, is_shared(&p) ? 3 : 2) * ANVIL_RECORD;
  }
  s.tiles.table = s.table;
  anvil_fill_bytes(beside, (int8_t)p.input_zero_point, ANVIL_RECORD_CHANNELS);
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    extent block = {0, 0};
    for (int32_t y = 0; y < p.output_h; y += block.rows) {
      block.rows = part_of(p.output_h - y, p.block_rows);
      for (int32_t x = 0; x < p.output_w; x += block.columns) {
        block.columns = part_of(p.output_w - x, p.block_columns);
        compute(&p, &s, block, input, y * p.stride_h - p.pad_top, x * p.stride_w - p.pad_left,
                channels, output + (y * p.output_w + x) * p.input_channels);
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
    output += n_outputs;
  }
  anvil_clamp_bytes(output - p.batches * n_outputs, p.batches * n_outputs, INT8_MIN, p.output_max);
}
