#include "conv_2d/conv_2d__simd128.h"
#include "conv_2d/six_pixels__simd128.h"

/* The input's rows under a row of outputs, as 16-bit numbers with the zero point on both sides.
 * Windows are read where they lie in them, so that each input is widened once. Row n, counted from
 * the topmost one that any window has, is in slot n % n_slots. */
typedef struct {
  int16_t *slots;
  int32_t n_slots;
  int32_t slot; /* elements of one */
  int32_t span; /* columns that windows have, of which a slot has one element more */
  int32_t next; /* the first row that was not widened yet */
} input_rows;

static void fill(int16_t *to, int32_t value, int32_t n) {
  for (int32_t i = 0; i < n; ++i) {
    to[i] = (int16_t)value;
  }
}

static inline int32_t smaller(int32_t a, int32_t b) {
  return a < b ? a : b;
}

static void widen_row(const anvil_conv_2d_int8_parameters *p, const input_rows *rows,
                      const int8_t *image, int32_t n) {
  int16_t *const to = rows->slots + n % rows->n_slots * rows->slot;
  const int32_t pixel = p->input_channels;
  const int32_t y = n - p->pad_top;
  const int32_t end = smaller(rows->span, p->pad_left + p->input_w);
  /* What an odd window's last number is paired with has a weight of 0. */
  to[rows->span * pixel] = 0;
  if (y < 0 || y >= p->input_h || end <= p->pad_left) {
    fill(to, p->input_zero_point, rows->span * pixel);
    return;
  }
  fill(to, p->input_zero_point, p->pad_left * pixel);
  anvil_widen(to + p->pad_left * pixel, image + y * p->input_w * pixel,
              (end - p->pad_left) * pixel);
  fill(to + end * pixel, p->input_zero_point, (rows->span - end) * pixel);
}

/* Rows `begin` to `end` - 1, of which those that are there already are not widened again. */
static void widen_rows(const anvil_conv_2d_int8_parameters *p, input_rows *rows,
                       const int8_t *image, int32_t begin, int32_t end) {
  if (rows->next < begin) {
    rows->next = begin;
  }
  for (; rows->next < end; ++rows->next) {
    widen_row(p, rows, image, rows->next);
  }
}

void anvil_conv_2d_int8_rows__simd128(const anvil_conv_2d_int8_parameters *parameters,
                                      const int8_t *input, const int8_t *weights,
                                      const int32_t *bias, const double *scale, const double *away,
                                      int8_t *output, void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const anvil_pair_channels channels = {.weights = weights,
                                        .bias = bias,
                                        .scale = scale,
                                        .away = away,
                                        .n_channels = p.output_channels,
                                        .zero_point = p.output_zero_point,
                                        .least = p.output_min,
                                        .greatest = p.output_max};
  /* Six pixels may begin at the end of one row and go on in those below. */
  const int32_t n_crossed = (ANVIL_PIXELS + p.output_w - 2) / p.output_w;
  const int16_t **const table = scratch;
  input_rows rows = {.n_slots = (p.filter_h - 1) * p.dilation_h + 1 + n_crossed * p.stride_h,
                     .span = (p.output_w - 1) * p.stride_w + p.filter_w};
  rows.slots = (int16_t *)(table + rows.n_slots);
  rows.slot = rows.span * p.input_channels + 1;
  anvil_windows windows = {.step = p.dilation_h,
                           .n_rows = p.filter_h,
                           .n_pairs = (p.filter_w * p.input_channels + 1) / ANVIL_PAIR};
  const int32_t n_pixels = p.output_h * p.output_w;
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    int32_t first = 0; /* row of the first pixel's window */
    int32_t y = 0;     /* from there to the row of the pixel that comes next */
    int32_t out_x = 0;
    rows.next = 0;
    for (int32_t pixel = 0; pixel < n_pixels; pixel += ANVIL_PIXELS) {
      const int32_t n = smaller(n_pixels - pixel, ANVIL_PIXELS);
      if (y > 0 || pixel == 0) {
        first += y;
        for (int32_t i = 0; i < rows.n_slots; ++i) {
          table[i] = rows.slots + (first + i) % rows.n_slots * rows.slot;
        }
        y = 0;
      }
      for (int32_t i = 0; i < ANVIL_PIXELS; ++i) {
        windows.rows[i] = table + y;
        windows.offset[i] = out_x * p.stride_w * p.input_channels;
        /* Those beyond the image are the last one again. */
        if (i + 1 < n && ++out_x == p.output_w) {
          out_x = 0;
          y += p.stride_h;
        }
      }
      widen_rows(&p, &rows, input, first, first + y + (p.filter_h - 1) * p.dilation_h + 1);
      anvil_six_pixels__simd128(&channels, &windows, n, output);
      output += n * p.output_channels;
      if (++out_x == p.output_w) {
        out_x = 0;
        y += p.stride_h;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
