#include "common/channel_blocks__avx2.h"
#include "common/x86_level__avx2.h"
#include "depthwise_conv_2d/depthwise_conv_2d__avx2.h"

/* For each row of the output, the rows under its windows are interleaved first: four values of a
 * column next to one another are what one place of vpdpbusd takes, and neighbouring windows share
 * them. Without that instruction the four are split into two pairs for vpmaddwd. */
typedef struct {
  const anvil_depthwise_conv_2d_int8_parameters *p;
  const int8_t *weights;
  const int8_t *border; /* a pixel outside of the image */
  uint8_t *columns;     /* [group of four rows][column][channel][row] */
  int32_t n_groups;
  int32_t n_taps; /* of a group */
  int32_t n_columns;
  int32_t column_bytes;
  int32_t group_bytes;
  int32_t tap_bytes;   /* from the column of one tap to that of the next */
  int32_t pixel_bytes; /* from one window to the next */
} layer;

ANVIL_AVX2_INLINE __m128i load8(const int8_t *from) {
  return _mm_loadl_epi64((const __m128i *)from);
}

/* n values of each of four rows, as unsigned. */
ANVIL_AVX2_INLINE void interleave(const int8_t *const rows[4], int32_t n, uint8_t *to) {
  int32_t i = 0;
  const __m256i half = _mm256_set1_epi8(-128);
  for (; i + 32 <= n; i += 32) {
    const __m256i a = _mm256_loadu_si256((const __m256i *)(rows[0] + i));
    const __m256i b = _mm256_loadu_si256((const __m256i *)(rows[1] + i));
    const __m256i c = _mm256_loadu_si256((const __m256i *)(rows[2] + i));
    const __m256i d = _mm256_loadu_si256((const __m256i *)(rows[3] + i));
    const __m256i ab[2] = {_mm256_xor_si256(_mm256_unpacklo_epi8(a, b), half),
                           _mm256_xor_si256(_mm256_unpackhi_epi8(a, b), half)};
    const __m256i cd[2] = {_mm256_xor_si256(_mm256_unpacklo_epi8(c, d), half),
                           _mm256_xor_si256(_mm256_unpackhi_epi8(c, d), half)};
    for (int32_t k = 0; k < 2; ++k) {
      /* Each half of a vector keeps its own: values 0..15 below, 16..31 above. */
      const __m256i first = _mm256_unpacklo_epi16(ab[k], cd[k]);
      const __m256i second = _mm256_unpackhi_epi16(ab[k], cd[k]);
      uint8_t *at = to + 4 * i + 32 * k;
      _mm_storeu_si128((__m128i *)at, _mm256_castsi256_si128(first));
      _mm_storeu_si128((__m128i *)(at + 16), _mm256_castsi256_si128(second));
      _mm_storeu_si128((__m128i *)(at + 64), _mm256_extracti128_si256(first, 1));
      _mm_storeu_si128((__m128i *)(at + 80), _mm256_extracti128_si256(second, 1));
    }
  }
  for (; i + 8 <= n; i += 8) {
    const __m128i ab = _mm_unpacklo_epi8(load8(rows[0] + i), load8(rows[1] + i));
    const __m128i cd = _mm_unpacklo_epi8(load8(rows[2] + i), load8(rows[3] + i));
    const __m256i both = _mm256_set_m128i(_mm_unpackhi_epi16(ab, cd), _mm_unpacklo_epi16(ab, cd));
    _mm256_storeu_si256((__m256i *)(to + 4 * i), _mm256_xor_si256(both, half));
  }
  for (; i < n; ++i) {
    for (int32_t k = 0; k < 4; ++k) {
      to[4 * i + k] = (uint8_t)(rows[k][i] ^ -128);
    }
  }
}

ANVIL_AVX2_INLINE int32_t min_of(int32_t a, int32_t b) {
  return a < b ? a : b;
}

/* Columns `begin` to `end` - 1, which lie beside the image whatever their rows are. */
ANVIL_AVX2_INLINE void fill_outside(const layer *l, int32_t begin, int32_t end) {
  const int8_t *const outside[4] = {l->border, l->border, l->border, l->border};
  for (int32_t group = 0; group < l->n_groups; ++group) {
    for (int32_t column = begin; column < end; ++column) {
      interleave(outside, l->p->input_channels,
                 l->columns + group * l->group_bytes + column * l->column_bytes);
    }
  }
}

/* The columns of the image under the row of windows whose first row is y. */
ANVIL_AVX2_INLINE void fill_inside(const layer *l, const int8_t *image, int32_t y,
                                   int32_t n_inside) {
  const anvil_depthwise_conv_2d_int8_parameters *p = l->p;
  const int32_t pixel = p->input_channels;
  for (int32_t group = 0; group < l->n_groups; ++group) {
    const int8_t *rows[4];
    int32_t steps[4]; /* from one column to the next */
    int32_t is_inside = 1;
    for (int32_t k = 0; k < 4; ++k) {
      /* What a group has beyond the filter's rows has weight 0, so that any row does. */
      const int32_t tap = min_of(4 * group + k, p->filter_h - 1);
      const int32_t row = y + tap * p->dilation_h;
      const int32_t is_there = row >= 0 && row < p->input_h;
      rows[k] = is_there ? image + (int64_t)row * p->input_w * pixel : l->border;
      steps[k] = is_there ? pixel : 0;
      is_inside &= is_there;
    }
    uint8_t *to = l->columns + group * l->group_bytes + p->pad_left * l->column_bytes;
    if (is_inside && l->column_bytes == 4 * pixel && n_inside > 0) {
      interleave(rows, n_inside * pixel, to);
      continue;
    }
    for (int32_t column = 0; column < n_inside; ++column) {
      interleave(rows, pixel, to);
      to += l->column_bytes;
      for (int32_t k = 0; k < 4; ++k) {
        rows[k] += steps[k];
      }
    }
  }
}

/* Sums of a block of channels in n_pixels windows. */
ANVIL_AVX2_INLINE void sums_of(const layer *l, int32_t has_quads, const uint8_t *first,
                               const int8_t *weights, const int32_t *bias, int32_t n_pixels,
                               int32_t block, __m256i sums[ANVIL_PIXELS][2]) {
  const int64_t distance = l->pixel_bytes;
  const __m256i low_bytes = _mm256_set1_epi16(0xFF);
  __m256i of_block[ANVIL_PIXELS];
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_pixels; ++i) {
    of_block[i] = _mm256_loadu_si256((const __m256i *)bias);
  }
  for (int32_t group = 0; group < l->n_groups; ++group) {
    const uint8_t *column = first;
    const uint8_t *fourth = first + 3 * distance;
    for (int32_t tap = 0; tap < l->n_taps; ++tap) {
      const __m256i w = _mm256_loadu_si256((const __m256i *)weights);
      const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8);
      const __m256i odd = _mm256_srai_epi16(w, 8);
#pragma GCC unroll 8
      for (int32_t i = 0; i < n_pixels; ++i) {
        const uint8_t *at = anvil_at(column, fourth, distance, i);
        const __m256i quads = _mm256_loadu_si256((const __m256i *)at);
        if (has_quads) {
          of_block[i] = anvil_add_quads(of_block[i], quads, w);
        } else {
          const __m256i of_even = _mm256_madd_epi16(_mm256_and_si256(quads, low_bytes), even);
          const __m256i of_odd = _mm256_madd_epi16(_mm256_srli_epi16(quads, 8), odd);
          of_block[i] = _mm256_add_epi32(of_block[i], _mm256_add_epi32(of_even, of_odd));
        }
      }
      column += l->tap_bytes;
      fourth += l->tap_bytes;
      weights += ANVIL_BLOCK_STEP;
    }
    first += l->group_bytes;
  }
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_pixels; ++i) {
    sums[i][block] = of_block[i];
  }
}

ANVIL_AVX2_INLINE void pixels_of(const layer *l, const anvil_channels *c, int32_t has_quads,
                                 const uint8_t *first, int32_t n_pixels, int8_t *output) {
  const int32_t block_bytes = l->n_groups * l->n_taps * ANVIL_BLOCK_STEP;
  const int8_t *weights = c->weights;
  for (int32_t channel = 0; channel < c->n_channels; channel += 2 * ANVIL_BLOCK) {
    __m256i sums[ANVIL_PIXELS][2];
    const int32_t *bias = c->bias + channel;
    const int32_t n_blocks = c->n_channels - channel > ANVIL_BLOCK ? 2 : 1;
    sums_of(l, has_quads, first, weights, bias, n_pixels, 0, sums);
    if (n_blocks == 2) {
      sums_of(l, has_quads, first + ANVIL_BLOCK_STEP, weights + block_bytes, bias + ANVIL_BLOCK,
              n_pixels, 1, sums);
    }
    if (n_blocks == 2) {
      anvil_store_pixels(c, sums, channel, n_pixels, 2, output);
    } else {
      anvil_store_pixels(c, sums, channel, n_pixels, 1, output);
    }
    first += 2 * ANVIL_BLOCK_STEP;
    weights += 2 * block_bytes;
  }
}

ANVIL_AVX2_INLINE void row_of(const layer *l, const anvil_channels *c, int32_t has_quads,
                              int8_t *output) {
  const uint8_t *first = l->columns;
  int32_t n_pixels = l->p->output_w;
  for (; n_pixels >= ANVIL_PIXELS; n_pixels -= ANVIL_PIXELS) {
    pixels_of(l, c, has_quads, first, ANVIL_PIXELS, output);
    first += ANVIL_PIXELS * l->pixel_bytes;
    output += ANVIL_PIXELS * c->n_channels;
  }
  switch (n_pixels) {
    case 5:
      pixels_of(l, c, has_quads, first, 5, output);
      break;
    case 4:
      pixels_of(l, c, has_quads, first, 4, output);
      break;
    case 3:
      pixels_of(l, c, has_quads, first, 3, output);
      break;
    case 2:
      pixels_of(l, c, has_quads, first, 2, output);
      break;
    case 1:
      pixels_of(l, c, has_quads, first, 1, output);
      break;
    default:
      break;
  }
}

ANVIL_AVX2_INLINE void all_rows(const layer *l, const anvil_channels *c, int32_t has_quads,
                                const int8_t *input, int8_t *output) {
  const anvil_depthwise_conv_2d_int8_parameters *p = l->p;
  const int32_t begin = min_of(p->pad_left, l->n_columns);
  const int32_t n_inside = min_of(l->n_columns - begin, p->input_w);
  fill_outside(l, 0, begin);
  fill_outside(l, begin + n_inside, l->n_columns);
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    for (int32_t out_y = 0; out_y < p->output_h; ++out_y) {
      fill_inside(l, input, out_y * p->stride_h - p->pad_top, n_inside);
      row_of(l, c, has_quads, output);
      output += p->output_w * p->input_channels;
    }
    input += p->input_h * p->input_w * p->input_channels;
  }
}

static ANVIL_AVX2 void by_quads(const layer *l, const anvil_channels *c, const int8_t *input,
                                int8_t *output) {
  const layer own = *l; /* which no store through `output` can change */
  const anvil_channels channels = *c;
  all_rows(&own, &channels, 1, input, output);
}

static ANVIL_AVX2 void by_words(const layer *l, const anvil_channels *c, const int8_t *input,
                                int8_t *output) {
  const layer own = *l;
  const anvil_channels channels = *c;
  all_rows(&own, &channels, 0, input, output);
}

void anvil_depthwise_conv_2d_int8_columns__avx2(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int64_t *rounding,
    const int32_t *shift, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .multiplier = multiplier,
                                   .rounding = rounding,
                                   .shift = shift,
                                   .n_channels = p.input_channels,
                                   .halves_away = p.output_min < p.output_zero_point,
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  const int32_t n_blocks = (p.input_channels + ANVIL_BLOCK - 1) / ANVIL_BLOCK;
  int8_t *border = scratch;
  for (int32_t i = 0; i < n_blocks * ANVIL_BLOCK; ++i) {
    border[i] = (int8_t)p.input_zero_point;
  }
  layer l = {.p = &p,
             .weights = weights,
             .border = border,
             .columns = (uint8_t *)scratch + n_blocks * ANVIL_BLOCK,
             .n_groups = (p.filter_h + 3) / 4,
             .n_taps = p.filter_w,
             .n_columns = (p.output_w - 1) * p.stride_w + (p.filter_w - 1) * p.dilation_w + 1,
             .column_bytes = n_blocks * ANVIL_BLOCK_STEP};
  l.group_bytes = l.n_columns * l.column_bytes;
  l.tap_bytes = p.dilation_w * l.column_bytes;
  l.pixel_bytes = p.stride_w * l.column_bytes;
  if (anvil_x86_has_avxvnni()) {
    by_quads(&l, &channels, input, output);
  } else {
    by_words(&l, &channels, input, output);
  }
}
