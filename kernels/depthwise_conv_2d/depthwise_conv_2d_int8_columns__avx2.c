#include "depthwise_conv_2d/column_sums__avx2.h"
#include "depthwise_conv_2d/depthwise_conv_2d__avx2.h"

/* The rows under a row of windows are interleaved first. Where a filter has fewer than four rows,
 * what is interleaved does for more than one row of windows, whose weights slide. */
typedef struct {
  const anvil_depthwise_conv_2d_int8_bytes_parameters *p;
  const int8_t *border; /* a pixel outside of the image */
  uint8_t *columns;     /* [group of four rows][column][channel][row] */
  int32_t n_groups;
  int32_t n_columns;
  int32_t column_bytes;
  int32_t group_bytes;
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
      __m256i *at = (__m256i *)(to + 4 * i + 32 * k);
      /* In whole vectors, which can be read again before they have reached the cache. */
      _mm256_storeu_si256(at, _mm256_permute2x128_si256(first, second, 0x20));
      _mm256_storeu_si256(at + 2, _mm256_permute2x128_si256(first, second, 0x31));
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
  for (int32_t group = 0; group < l->n_groups; ++group) {
    uint8_t *to = l->columns + group * l->group_bytes;
    for (int32_t i = begin * l->column_bytes; i < end * l->column_bytes; ++i) {
      to[i] = (uint8_t)(l->p->input_zero_point + 128);
    }
  }
}

/* The columns of the image under the row of windows whose first row is y. */
ANVIL_AVX2_INLINE void fill_inside(const layer *l, const int8_t *image, int32_t y,
                                   int32_t n_inside) {
  const anvil_depthwise_conv_2d_int8_bytes_parameters *p = l->p;
  const int32_t pixel = p->input_channels;
  for (int32_t group = 0; group < l->n_groups; ++group) {
    const int8_t *rows[4];
    int32_t steps[4]; /* from one column to the next */
    int32_t is_inside = 1;
    for (int32_t k = 0; k < 4; ++k) {
      const int32_t row = y + (4 * group + k) * p->dilation_h;
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

ANVIL_AVX2 void anvil_depthwise_conv_2d_int8_columns__avx2(
    const anvil_depthwise_conv_2d_int8_bytes_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *rescale, int8_t *output,
    void *scratch) {
  const anvil_depthwise_conv_2d_int8_bytes_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .rescale = rescale,
                                   .n_channels = p.input_channels,
                                   .form = p.form,
                                   .way = anvil_way_to_multiply(p.fits_pairs),
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  const int32_t n_blocks = (p.input_channels + ANVIL_BLOCK - 1) / ANVIL_BLOCK;
  int8_t *border = scratch;
  for (int32_t i = 0; i < n_blocks * ANVIL_BLOCK; ++i) {
    border[i] = (int8_t)p.input_zero_point;
  }
  layer l = {.p = &p,
             .border = border,
             .columns = (uint8_t *)scratch + n_blocks * ANVIL_BLOCK,
             .n_groups = (p.filter_h + 3) / 4,
             .n_columns = (p.output_w - 1) * p.stride_w + (p.filter_w - 1) * p.dilation_w + 1,
             .column_bytes = n_blocks * ANVIL_BLOCK_STEP};
  l.group_bytes = l.n_columns * l.column_bytes;
  anvil_columns columns = {.first = l.columns,
                           .n_groups = l.n_groups,
                           .n_taps = p.filter_w,
                           .group_bytes = l.group_bytes,
                           .tap_bytes = p.dilation_w * l.column_bytes,
                           .pixel_bytes = p.stride_w * l.column_bytes};
  const int32_t begin = min_of(p.pad_left, l.n_columns);
  const int32_t n_inside = min_of(l.n_columns - begin, p.input_w);
  const int32_t n_together = l.n_groups == 1 && p.stride_h == p.dilation_h ? 5 - p.filter_h : 1;
  fill_outside(&l, 0, begin);
  fill_outside(&l, begin + n_inside, l.n_columns);
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; out_y += n_together) {
      fill_inside(&l, input, out_y * p.stride_h - p.pad_top, n_inside);
      const int32_t n_rows = min_of(n_together, p.output_h - out_y);
      for (columns.slide = 0; columns.slide < n_rows; ++columns.slide) {
        anvil_outputs_of_columns__avx2(&columns, &channels, 0, p.input_channels, p.output_w,
                                       output);
        output += p.output_w * p.input_channels;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
