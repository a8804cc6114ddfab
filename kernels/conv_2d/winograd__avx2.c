/* With
 *
 *         1  0 -1  0          2  0  0
 *     B = 0  1  1  0      G = 1  1  1      A = 1  1  1  0
 *         0 -1  1  0          1 -1  1          0  1 -1 -1
 *         0  1  0 -1          0  0  2
 *
 * a tile d of 4x4 inputs and a filter g give four times the 2x2 sums: A ((G g G') * (B d B')) A',
 * where * multiplies position by position. Inputs, which are unsigned, spread to 11 bits and
 * weights to 12; what they sum up to, for 256 channels, to 30. */
#include "conv_2d/winograd__avx2.h"

enum {
  TILES = 4,       /* that share a load of the weights */
  BAND_TILES = 16, /* that share spread weights, or a row of tiles if that has more */
  TILE_SUMS = 2,   /* vectors, of a block's channels */
  POSITIONS = 16,  /* of a tile */
  TAPS = 9,
  PAIR = 2,
  GAP = 32 /* numbers, so that no set of the cache has the weights of all positions */
};

typedef anvil_conv_2d_int8_bytes_parameters convolution;

static inline int32_t smaller(int32_t a, int32_t b) {
  return a < b ? a : b;
}

/* 16 channels of one column of a tile, B applied. */
typedef struct {
  __m256i rows[4];
} column;

/* 16 channels of the first pixel in each row of a tile, and how many bytes after it the next one
 * is. A row outside of the image is one pixel, of zero points. */
typedef struct {
  const int8_t *first[4];
  int64_t step[4];
} tile_rows;

ANVIL_AVX2_INLINE __m256i words(const tile_rows *rows, int32_t row, int32_t x) {
  const int8_t *from = rows->first[row] + x * rows->step[row];
  return _mm256_cvtepu8_epi16(
      _mm_xor_si128(_mm_loadu_si128((const __m128i *)from), _mm_set1_epi8(-128)));
}

ANVIL_AVX2_INLINE column column_of(const convolution *p, const tile_rows *rows, int32_t x) {
  if (x < 0 || x >= p->input_w) {
    const __m256i zero = _mm256_setzero_si256();
    const column outside = {
        {zero, _mm256_set1_epi16((int16_t)(2 * (p->input_zero_point + 128))), zero, zero}};
    return outside;
  }
  const __m256i a = words(rows, 0, x);
  const __m256i b = words(rows, 1, x);
  const __m256i c = words(rows, 2, x);
  const __m256i d = words(rows, 3, x);
  const column inside = {{_mm256_sub_epi16(a, c), _mm256_add_epi16(b, c), _mm256_sub_epi16(c, b),
                          _mm256_sub_epi16(b, d)}};
  return inside;
}

ANVIL_AVX2_INLINE void put(int16_t *to, __m256i value) {
  _mm256_storeu_si256((__m256i *)to, value);
}

/* 16 channels of a row of tiles: of each tile its positions, `depth` numbers apart. Neighbours
 * share two columns. */
ANVIL_AVX2_INLINE void tiles_of_block(const convolution *p, const tile_rows *rows, int32_t n_tiles,
                                      int16_t *to) {
  const int32_t depth = p->input_channels;
  int32_t x = -p->pad_left;
  column a = column_of(p, rows, x);
  column b = column_of(p, rows, x + 1);
  for (; n_tiles > 0; --n_tiles) {
    x += 2;
    const column c = column_of(p, rows, x);
    const column d = column_of(p, rows, x + 1);
    for (int32_t i = 0; i < 4; ++i) {
      put(to, _mm256_sub_epi16(a.rows[i], c.rows[i]));
      put(to + depth, _mm256_add_epi16(b.rows[i], c.rows[i]));
      put(to + 2 * depth, _mm256_sub_epi16(c.rows[i], b.rows[i]));
      put(to + 3 * depth, _mm256_sub_epi16(b.rows[i], d.rows[i]));
      to += 4 * depth;
    }
    a = c;
    b = d;
  }
}

/* A row of tiles, of which the image's row y is the topmost. */
ANVIL_AVX2_INLINE void row_of_tiles(const convolution *p, const int8_t *image, int32_t y,
                                    int32_t n_tiles, int16_t *to) {
  const int32_t depth = p->input_channels;
  int8_t outside[ANVIL_BLOCK];
  _mm_storeu_si128((__m128i *)outside, _mm_set1_epi8((int8_t)p->input_zero_point));
  for (int32_t channel = 0; channel < depth; channel += ANVIL_BLOCK) {
    tile_rows rows;
    for (int32_t i = 0; i < 4; ++i) {
      const int is_inside = y + i >= 0 && y + i < p->input_h;
      rows.first[i] = is_inside ? image + (int64_t)(y + i) * p->input_w * depth + channel : outside;
      rows.step[i] = is_inside ? depth : 0;
    }
    tiles_of_block(p, &rows, n_tiles, to + channel);
  }
}

/* G applied to three weights. */
ANVIL_AVX2_INLINE void spread(__m256i a, __m256i b, __m256i c, __m256i *to) {
  const __m256i outer = _mm256_add_epi16(a, c);
  to[0] = _mm256_slli_epi16(a, 1);
  to[1] = _mm256_add_epi16(outer, b);
  to[2] = _mm256_sub_epi16(outer, b);
  to[3] = _mm256_slli_epi16(c, 1);
}

/* A block's weights, position by position, of each pair of inputs a pair for every channel. They
 * are made anew for each band, since storing them would take 3.6 times as many bytes. */
ANVIL_AVX2_INLINE void spread_weights(const int8_t *weights, int32_t depth, int16_t *to) {
  const int32_t tap = depth * ANVIL_BLOCK;
  for (int32_t i = 0; i < tap; i += ANVIL_HALF_STEP) {
    for (int32_t k = 0; k < PAIR; ++k) { /* the first two inputs of the step, then the others */
      __m256i across[3][4];
      for (int32_t row = 0; row < 3; ++row) {
        __m256i taps[3];
        for (int32_t x = 0; x < 3; ++x) {
          const int8_t *at = weights + (3 * row + x) * tap + i;
          const __m256 first =
              _mm256_castsi256_ps(_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)at)));
          const __m256 second = _mm256_castsi256_ps(
              _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(at + 16))));
          /* Channels 0 1 4 5 | 2 3 6 7. */
          taps[x] = _mm256_castps_si256(k == 0 ? _mm256_shuffle_ps(first, second, 0x88)
                                               : _mm256_shuffle_ps(first, second, 0xDD));
        }
        spread(taps[0], taps[1], taps[2], across[row]);
      }
      const int32_t step = i / ANVIL_BLOCK_STEP;
      const int32_t half = i % ANVIL_BLOCK_STEP / ANVIL_HALF_STEP;
      int16_t *const place = to + (2 * step + k) * ANVIL_BLOCK * PAIR + half * ANVIL_HALF * PAIR;
      for (int32_t x = 0; x < 4; ++x) {
        __m256i down[4];
        spread(across[0][x], across[1][x], across[2][x], down);
        for (int32_t y = 0; y < 4; ++y) {
          put(place + (4 * y + x) * (tap + GAP), down[y]);
        }
      }
    }
  }
}

/* The products of four tiles with a block's weights: at each position two vectors of each tile.
 * Those beyond n_tiles are the first once more. */
ANVIL_AVX2_INLINE void multiply(const int16_t *weights, const int16_t *tiles, int32_t n_tiles,
                                int32_t depth, __m256i *to) {
  const int16_t *at[TILES];
  for (int32_t i = 0; i < TILES; ++i) {
    at[i] = tiles + (i < n_tiles ? i * POSITIONS * depth : 0);
  }
  for (int32_t position = 0; position < POSITIONS; ++position) {
    __m256i sums[TILES][TILE_SUMS];
#pragma GCC unroll 4
    for (int32_t i = 0; i < TILES; ++i) {
      sums[i][0] = _mm256_setzero_si256();
      sums[i][1] = sums[i][0];
    }
#pragma GCC unroll 2
    for (int32_t k = 0; k < depth; k += PAIR) {
      const __m256i first = anvil_load(weights);
      const __m256i second = anvil_load(weights + ANVIL_HALF * PAIR);
#pragma GCC unroll 4
      for (int32_t i = 0; i < TILES; ++i) {
        int32_t two;
        __builtin_memcpy(&two, at[i] + k, sizeof two);
        const __m256i pair = _mm256_set1_epi32(two);
        sums[i][0] = _mm256_add_epi32(sums[i][0], _mm256_madd_epi16(pair, first));
        sums[i][1] = _mm256_add_epi32(sums[i][1], _mm256_madd_epi16(pair, second));
      }
      weights += ANVIL_BLOCK * PAIR;
    }
    weights += GAP;
#pragma GCC unroll 4
    for (int32_t i = 0; i < TILES; ++i) {
      at[i] += depth;
      to[i * TILE_SUMS] = sums[i][0];
      to[i * TILE_SUMS + 1] = sums[i][1];
    }
    to += TILES * TILE_SUMS;
  }
}

/* Eight channels' sums of one output. */
ANVIL_AVX2_INLINE void put_sums(__m256i four_times, const int32_t *bias, int32_t *to) {
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_srai_epi32(four_times, 2), 0xD8);
  _mm256_storeu_si256((__m256i *)to, _mm256_add_epi32(sums, anvil_load(bias)));
}

/* A applied on both sides, for eight channels: two outputs in each of two rows. */
ANVIL_AVX2_INLINE void gather(const __m256i *products, const int32_t *bias, int32_t *top,
                              int32_t *bottom) {
  const int32_t position = TILES * TILE_SUMS;
  __m256i above[4], below[4];
#pragma GCC unroll 4
  for (int32_t i = 0; i < 4; ++i) {
    const __m256i first = products[i * position];
    const __m256i second = products[(4 + i) * position];
    const __m256i third = products[(8 + i) * position];
    const __m256i last = products[(12 + i) * position];
    above[i] = _mm256_add_epi32(_mm256_add_epi32(first, second), third);
    below[i] = _mm256_sub_epi32(_mm256_sub_epi32(second, third), last);
  }
  put_sums(_mm256_add_epi32(_mm256_add_epi32(above[0], above[1]), above[2]), bias, top);
  put_sums(_mm256_sub_epi32(_mm256_sub_epi32(above[1], above[2]), above[3]), bias,
           top + ANVIL_BLOCK);
  put_sums(_mm256_add_epi32(_mm256_add_epi32(below[0], below[1]), below[2]), bias, bottom);
  put_sums(_mm256_sub_epi32(_mm256_sub_epi32(below[1], below[2]), below[3]), bias,
           bottom + ANVIL_BLOCK);
}

/* The outputs of neighbouring tiles from row y and column x on. */
ANVIL_AVX2_INLINE void store_tiles(const convolution *p, const anvil_channels *c, int32_t channel,
                                   const __m256i *products, int32_t n_tiles, int32_t y, int32_t x,
                                   int8_t *image) {
  int32_t top[2 * TILES * ANVIL_BLOCK] __attribute__((aligned(32)));
  int32_t bottom[2 * TILES * ANVIL_BLOCK] __attribute__((aligned(32)));
  for (int32_t i = 0; i < n_tiles * TILE_SUMS; ++i) {
    const int32_t half = i % TILE_SUMS * ANVIL_HALF;
    const int32_t to = i / TILE_SUMS * 2 * ANVIL_BLOCK + half;
    gather(products + i, c->bias + channel + half, top + to, bottom + to);
  }
  const int32_t n_pixels = smaller(2 * n_tiles, p->output_w - x);
  int8_t *const output = image + ((int64_t)y * p->output_w + x) * p->output_channels;
  anvil_store_sums__avx2(c, channel, n_pixels, top, output);
  if (y + 1 < p->output_h) {
    anvil_store_sums__avx2(c, channel, n_pixels, bottom, output + p->output_w * p->output_channels);
  }
}

/* All channels of a band's outputs, of which y is the topmost row. */
ANVIL_AVX2_INLINE void band_of_outputs(const convolution *p, const anvil_channels *c,
                                       const int16_t *tiles, int32_t n_tiles, int32_t y,
                                       int16_t *spread_to, int8_t *image) {
  const int32_t depth = p->input_channels;
  const int8_t *weights = c->weights;
  for (int32_t channel = 0; channel < p->output_channels; channel += ANVIL_BLOCK) {
    spread_weights(weights, depth, spread_to);
    weights += TAPS * depth * ANVIL_BLOCK;
    int32_t out_y = y;
    int32_t out_x = 0;
    for (int32_t tile = 0; tile < n_tiles; tile += TILES) {
      __m256i products[POSITIONS * TILES * TILE_SUMS];
      const int32_t n = smaller(n_tiles - tile, TILES);
      multiply(spread_to, tiles + (int64_t)tile * POSITIONS * depth, n, depth, products);
      for (int32_t i = 0; i < n;) {
        const int32_t n_in_row = smaller(n - i, (p->output_w - out_x + 1) / 2);
        store_tiles(p, c, channel, products + i * TILE_SUMS, n_in_row, out_y, out_x, image);
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

ANVIL_AVX2 void anvil_conv_2d_int8_winograd__avx2(
    const anvil_conv_2d_int8_bytes_parameters *parameters, const anvil_channels *channels,
    const int8_t *input, int8_t *output, void *scratch) {
  const convolution p = *parameters;
  const anvil_channels c = *channels;
  const int32_t depth = p.input_channels;
  const int32_t n_across = (p.output_w + 1) / 2;
  const int32_t band_rows = n_across < BAND_TILES ? BAND_TILES / n_across * 2 : 2;
  int16_t *const spread_to = scratch;
  int16_t *const tiles = spread_to + POSITIONS * (depth * ANVIL_BLOCK + GAP);
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t y = 0; y < p.output_h; y += band_rows) {
      const int32_t end = smaller(y + band_rows, p.output_h);
      int32_t n_tiles = 0;
      for (int32_t row = y; row < end; row += 2) {
        row_of_tiles(&p, input, row - p.pad_top, n_across,
                     tiles + (int64_t)n_tiles * POSITIONS * depth);
        n_tiles += n_across;
      }
      band_of_outputs(&p, &c, tiles, n_tiles, y, spread_to, output);
    }
    input += (int64_t)p.input_h * p.input_w * depth;
    output += (int64_t)p.output_h * p.output_w * p.output_channels;
  }
}
