/* Winograd's F(2x2, 3x3) in integers. With
 *
 *         1  0 -1  0          2  0  0
 *     B = 0  1  1  0      G = 1  1  1      A = 1  1  1  0
 *         0 -1  1  0          1 -1  1          0  1 -1 -1
 *         0  1  0 -1          0  0  2
 *
 * a tile d of 4x4 inputs and a filter g give four times the 2x2 sums: A ((G g G') * (B d B')) A',
 * where * multiplies position by position. Halves in G would give the sums themselves, but these
 * are whole numbers, of 11 bits for weights and 10 for inputs. Sums may wrap around on the way. */
#include "common/pair_blocks__simd128.h"
#include "conv_2d/conv_2d__simd128.h"

enum {
  TILES = 4,           /* that share a load of the weights */
  TILE_SUMS = 2,       /* vectors, of a block's channels */
  POSITIONS = 16,      /* of a tile */
  BIASED_POSITION = 5, /* which all four outputs add */
  TAPS = 9
};

typedef anvil_conv_2d_int8_winograd_parameters convolution;

static inline int32_t smaller(int32_t a, int32_t b) {
  return a < b ? a : b;
}

/* Eight channels of one column of a tile, B applied. */
typedef struct {
  v128_t rows[4];
} column;

/* Eight channels of the next pixel in each row of a tile. A row outside of the image is one pixel,
 * of zero points, which the biases take off again. */
typedef struct {
  const int8_t *at[4];
  int32_t step[4];
} tile_rows;

static inline column next_column(const convolution *p, tile_rows *from, int32_t x) {
  if (x < 0 || x >= p->input_w) {
    const v128_t zero = wasm_i16x8_const_splat(0);
    const column outside = {
        {zero, wasm_i16x8_splat((int16_t)(2 * p->input_zero_point)), zero, zero}};
    return outside;
  }
  const v128_t a = wasm_i16x8_load8x8(from->at[0]);
  const v128_t b = wasm_i16x8_load8x8(from->at[1]);
  const v128_t c = wasm_i16x8_load8x8(from->at[2]);
  const v128_t d = wasm_i16x8_load8x8(from->at[3]);
  for (int32_t i = 0; i < 4; ++i) {
    from->at[i] += from->step[i];
  }
  const column inside = {
      {wasm_i16x8_sub(a, c), wasm_i16x8_add(b, c), wasm_i16x8_sub(c, b), wasm_i16x8_sub(b, d)}};
  return inside;
}

/* Eight channels of a row of tiles: of each tile its positions, `depth` numbers apart. Neighbours
 * share two columns. */
static void tiles_of_block(const convolution *p, tile_rows from, int32_t n_tiles, int32_t depth,
                           int16_t *to) {
  int32_t x = -p->pad_left;
  column a = next_column(p, &from, x);
  column b = next_column(p, &from, x + 1);
  for (; n_tiles > 0; --n_tiles) {
    x += 2;
    const column c = next_column(p, &from, x);
    const column d = next_column(p, &from, x + 1);
    for (int32_t i = 0; i < 4; ++i) {
      wasm_v128_store(to, wasm_i16x8_sub(a.rows[i], c.rows[i]));
      wasm_v128_store(to + depth, wasm_i16x8_add(b.rows[i], c.rows[i]));
      wasm_v128_store(to + 2 * depth, wasm_i16x8_sub(c.rows[i], b.rows[i]));
      wasm_v128_store(to + 3 * depth, wasm_i16x8_sub(b.rows[i], d.rows[i]));
      to += 4 * depth;
    }
    a = c;
    b = d;
  }
}

/* A row of tiles, of which the image's row y is the topmost. */
static void row_of_tiles(const convolution *p, const int8_t *image, int32_t y, int32_t n_tiles,
                         int32_t depth, int16_t *to) {
  int8_t outside[ANVIL_BLOCK];
  wasm_v128_store64_lane(outside, wasm_i8x16_splat((int8_t)p->input_zero_point), 0);
  for (int32_t block = 0; block < depth; block += ANVIL_BLOCK) {
    /* The last eight channels may be some of the block before once more, with weights of 0. */
    const int32_t channel = smaller(block, p->input_channels - ANVIL_BLOCK);
    tile_rows from;
    for (int32_t i = 0; i < 4; ++i) {
      const int is_inside = y + i >= 0 && y + i < p->input_h;
      from.at[i] = is_inside ? image + (y + i) * p->input_w * p->input_channels + channel : outside;
      from.step[i] = is_inside ? p->input_channels : 0;
    }
    tiles_of_block(p, from, n_tiles, depth, to + block);
  }
}

/* G applied to three weights. */
static inline void spread(v128_t a, v128_t b, v128_t c, v128_t *to) {
  const v128_t outer = wasm_i16x8_add(a, c);
  to[0] = wasm_i16x8_shl(a, 1);
  to[1] = wasm_i16x8_add(outer, b);
  to[2] = wasm_i16x8_sub(outer, b);
  to[3] = wasm_i16x8_shl(c, 1);
}

/* A block's weights, position by position. That they are made anew for each band costs less than
 * storing 3.6 times as many bytes. */
static void spread_weights(const int8_t *weights, int32_t depth, int16_t *to) {
  const int32_t tap = depth * ANVIL_BLOCK;
  for (int32_t i = 0; i < tap; i += 8) {
    const int8_t *at = weights + i;
    v128_t across[3][4];
    for (int32_t row = 0; row < 3; ++row) {
      spread(wasm_i16x8_load8x8(at), wasm_i16x8_load8x8(at + tap), wasm_i16x8_load8x8(at + 2 * tap),
             across[row]);
      at += 3 * tap;
    }
    for (int32_t x = 0; x < 4; ++x) {
      v128_t down[4];
      spread(across[0][x], across[1][x], across[2][x], down);
      for (int32_t y = 0; y < 4; ++y) {
        wasm_v128_store(to + (4 * y + x) * tap + i, down[y]);
      }
    }
  }
}

/* One pair of products of one tile. No load moves over the end, see six_pixels__simd128.c. */
#define ADD_PAIR(sum, at)                                              \
  {                                                                    \
    const v128_t pair = wasm_v128_load32_splat(at);                    \
    sum##0 = wasm_i32x4_add(sum##0, wasm_i32x4_dot_i16x8(pair, low));  \
    sum##1 = wasm_i32x4_add(sum##1, wasm_i32x4_dot_i16x8(pair, high)); \
    (at) += ANVIL_PAIR;                                                \
    __asm__ volatile("" : "+r"(sum##0), "+r"(sum##1) : : "memory");    \
  }

/* The products of four tiles with a block's weights: at each position two vectors of each tile.
 * Those beyond n_tiles are the first once more. */
static void multiply(const int16_t *weights, const int16_t *tiles, int32_t n_tiles, int32_t depth,
                     const int32_t *bias, v128_t *to) {
  const int32_t tile = POSITIONS * depth;
  const int16_t *at_a = tiles;
  const int16_t *at_b = tiles + (n_tiles > 1 ? tile : 0);
  const int16_t *at_c = tiles + (n_tiles > 2 ? 2 * tile : 0);
  const int16_t *at_d = tiles + (n_tiles > 3 ? 3 * tile : 0);
  for (int32_t position = 0; position < POSITIONS; ++position) {
    v128_t a0 = wasm_i32x4_const_splat(0), a1 = a0;
    if (position == BIASED_POSITION) {
      a0 = wasm_v128_load(bias);
      a1 = wasm_v128_load(bias + 4);
    }
    v128_t b0 = a0, c0 = a0, d0 = a0;
    v128_t b1 = a1, c1 = a1, d1 = a1;
#pragma clang loop unroll(disable)
    for (int32_t rest = depth; rest > 0; rest -= ANVIL_PAIR) {
      const v128_t low = wasm_v128_load(weights);
      const v128_t high = wasm_v128_load(weights + 8);
      ADD_PAIR(a, at_a)
      ADD_PAIR(b, at_b)
      ADD_PAIR(c, at_c)
      ADD_PAIR(d, at_d)
      weights += 16;
    }
    to[0] = a0;
    to[1] = a1;
    to[2] = b0;
    to[3] = b1;
    to[4] = c0;
    to[5] = c1;
    to[6] = d0;
    to[7] = d1;
    to += TILES * TILE_SUMS;
  }
}

/* Two times two vectors, four times the sums of four channels: A applied on both sides. */
static inline void gather(const v128_t *products, v128_t *top, v128_t *bottom) {
  const int32_t position = TILES * TILE_SUMS;
  v128_t above[4], below[4];
  for (int32_t i = 0; i < 4; ++i) {
    const v128_t first = products[i * position];
    const v128_t second = products[(4 + i) * position];
    const v128_t third = products[(8 + i) * position];
    const v128_t last = products[(12 + i) * position];
    above[i] = wasm_i32x4_add(wasm_i32x4_add(first, second), third);
    below[i] = wasm_i32x4_sub(wasm_i32x4_sub(second, third), last);
  }
  top[0] = wasm_i32x4_add(wasm_i32x4_add(above[0], above[1]), above[2]);
  top[TILE_SUMS] = wasm_i32x4_sub(wasm_i32x4_sub(above[1], above[2]), above[3]);
  bottom[0] = wasm_i32x4_add(wasm_i32x4_add(below[0], below[1]), below[2]);
  bottom[TILE_SUMS] = wasm_i32x4_sub(wasm_i32x4_sub(below[1], below[2]), below[3]);
}

/* The outputs of neighbouring tiles from row y and column x on. */
static void store_tiles(const convolution *p, const anvil_pair_channels *channels, int32_t channel,
                        const v128_t *products, int32_t n_tiles, int32_t y, int32_t x,
                        int8_t *image) {
  v128_t top[2 * TILES * TILE_SUMS], bottom[2 * TILES * TILE_SUMS];
  for (int32_t tile = 0; tile < n_tiles; ++tile) {
    for (int32_t i = tile * TILE_SUMS; i < (tile + 1) * TILE_SUMS; ++i) {
      const int32_t to = i + tile * TILE_SUMS;
      gather(products + i, top + to, bottom + to);
    }
  }
  const int32_t n_pixels = smaller(2 * n_tiles, p->output_w - x);
  int8_t *const output = image + (y * p->output_w + x) * p->output_channels;
  anvil_store_blocks__simd128(channels, channel, top, n_pixels, output);
  if (y + 1 < p->output_h) {
    anvil_store_blocks__simd128(channels, channel, bottom, n_pixels,
                                output + p->output_w * p->output_channels);
  }
}

/* Where the parts of the scratch memory are. */
typedef struct {
  v128_t *products;
  int16_t *weights;
  int16_t *tiles;
} memory;

/* All channels of a band's outputs, of which y is the topmost row. */
static void band_of_outputs(const convolution *p, const anvil_pair_channels *channels,
                            const memory *m, int32_t n_tiles, int32_t depth, int32_t y,
                            int8_t *image) {
  const int8_t *weights = channels->weights;
  for (int32_t channel = 0; channel < p->output_channels; channel += ANVIL_BLOCK) {
    spread_weights(weights, depth, m->weights);
    weights += TAPS * depth * ANVIL_BLOCK;
    int32_t out_y = y;
    int32_t out_x = 0;
    for (int32_t tile = 0; tile < n_tiles; tile += TILES) {
      const int32_t n = smaller(n_tiles - tile, TILES);
      multiply(m->weights, m->tiles + tile * POSITIONS * depth, n, depth, channels->bias + channel,
               m->products);
      for (int32_t i = 0; i < n;) {
        const int32_t n_in_row = smaller(n - i, (p->output_w - out_x + 1) / 2);
        store_tiles(p, channels, channel, m->products + i * TILE_SUMS, n_in_row, out_y, out_x,
                    image);
        i += n_in_row;
        out_x += 2 * n_in_row;
        if (out_x >= p->output_w) {
          out_x = 0;
          out_y += 2;
        }
      }
    }
  }
}

void anvil_conv_2d_int8_winograd__simd128(const anvil_conv_2d_int8_winograd_parameters *parameters,
                                          const int8_t *input, const int8_t *weights,
                                          const int32_t *bias, const double *scale,
                                          const double *away, int8_t *output, void *scratch) {
  const convolution p = *parameters;
  const anvil_pair_channels channels = {.weights = weights,
                                        .bias = bias,
                                        .scale = scale,
                                        .away = away,
                                        .n_channels = p.output_channels,
                                        .zero_point = p.output_zero_point,
                                        .least = p.output_min,
                                        .greatest = p.output_max};
  const int32_t depth = (p.input_channels + ANVIL_BLOCK - 1) / ANVIL_BLOCK * ANVIL_BLOCK;
  const int32_t n_across = (p.output_w + 1) / 2;
  memory m = {.products = scratch};
  m.weights = (int16_t *)(m.products + POSITIONS * TILES * TILE_SUMS);
  m.tiles = m.weights + POSITIONS * depth * ANVIL_BLOCK;
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t y = 0; y < p.output_h; y += p.band_rows) {
      const int32_t end = smaller(y + p.band_rows, p.output_h);
      int32_t n_tiles = 0;
      for (int32_t row = y; row < end; row += 2) {
        row_of_tiles(&p, input, row - p.pad_top, n_across, depth,
                     m.tiles + n_tiles * POSITIONS * depth);
        n_tiles += n_across;
      }
      band_of_outputs(&p, &channels, &m, n_tiles, depth, y, output);
    }
    input += p.input_h * p.input_w * p.input_channels;
    output += p.output_h * p.output_w * p.output_channels;
  }
}
