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
  int32_t way; /* of multiplying */
} layer;

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
      anvil_interleave__avx2(rows, n_inside * pixel, -128, l->way, to);
      continue;
    }
    for (int32_t column = 0; column < n_inside; ++column) {
      anvil_interleave__avx2(rows, pixel, -128, l->way, to);
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
  const int32_t n_halves = (p.input_channels + ANVIL_HALF - 1) / ANVIL_HALF;
  int8_t *border = scratch;
  for (int32_t i = 0; i < n_halves * ANVIL_HALF; ++i) {
    border[i] = (int8_t)p.input_zero_point;
  }
  layer l = {.p = &p,
             .border = border,
             .columns = anvil_aligned((uint8_t *)scratch + n_halves * ANVIL_HALF),
             .n_groups = (p.filter_h + 3) / 4,
             .n_columns = (p.output_w - 1) * p.stride_w + (p.filter_w - 1) * p.dilation_w + 1,
             .column_bytes = n_halves * ANVIL_HALF_STEP,
             .way = channels.way};
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
