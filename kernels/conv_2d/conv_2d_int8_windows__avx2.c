#include "common/channel_blocks__avx2.h"
#include "common/x86_level__avx2.h"
#include "conv_2d/conv_2d__avx2.h"

/* One row of the image with the borders that windows reach into, as unsigned values. */
ANVIL_AVX2_INLINE void fill_row(const anvil_conv_2d_int8_parameters *p, const int8_t *image,
                                int32_t y, int32_t n_values, int32_t value_bytes, uint8_t *to) {
  const int32_t border = p->input_zero_point + 128;
  int32_t begin = p->pad_left * p->input_channels;
  int32_t end = begin + p->input_w * p->input_channels;
  if (y < 0 || y >= p->input_h) {
    begin = n_values;
  }
  begin = begin < n_values ? begin : n_values;
  end = end < n_values ? end : n_values;
  for (int32_t i = 0; i < begin; ++i) {
    to[value_bytes * i] = (uint8_t)border;
    to[value_bytes * i + value_bytes - 1] = (uint8_t)(value_bytes == 1 ? border : 0);
  }
  if (begin < end) {
    anvil_unsigned(image + (int64_t)y * p->input_w * p->input_channels, end - begin, value_bytes,
                   to + value_bytes * begin);
  }
  for (int32_t i = begin > end ? begin : end; i < n_values; ++i) {
    to[value_bytes * i] = (uint8_t)border;
    to[value_bytes * i + value_bytes - 1] = (uint8_t)(value_bytes == 1 ? border : 0);
  }
}

/* Row by row of the output. Each row of the image is read once, into a ring that holds those
 * under one row of windows, before the first output that depends on it is written. */
ANVIL_AVX2_INLINE void all_rows(const anvil_conv_2d_int8_parameters *p, const anvil_channels *c,
                                int32_t value_bytes, const int8_t *input, int8_t *output,
                                uint8_t *scratch) {
  const int32_t is_together = p->dilation_w == 1;
  const int32_t run = (is_together ? p->filter_w : 1) * p->input_channels;
  const int32_t span = (p->output_w - 1) * p->stride_w + (p->filter_w - 1) * p->dilation_w + 1;
  const int32_t n_values = span * p->input_channels;
  const int32_t row_bytes = (n_values + ANVIL_STEP) * value_bytes;
  const int32_t n_rows = (p->filter_h - 1) * p->dilation_h + 1;
  anvil_windows windows = {.rows = scratch,
                           .value_bytes = value_bytes,
                           .row_bytes = row_bytes,
                           .n_rows = n_rows,
                           .first_row = 0,
                           .row_step = p->dilation_h,
                           .n_tap_rows = p->filter_h,
                           .n_tap_runs = is_together ? 1 : p->filter_w,
                           .run_bytes = p->dilation_w * p->input_channels * value_bytes,
                           .n_steps = (run + ANVIL_STEP - 1) / ANVIL_STEP,
                           .pixel_bytes = p->stride_w * p->input_channels * value_bytes};
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    int32_t next = 0; /* the row to read, counted from the first window's */
    for (int32_t out_y = 0; out_y < p->output_h; ++out_y) {
      const int32_t top = out_y * p->stride_h;
      for (next = next > top ? next : top; next < top + n_rows; ++next) {
        fill_row(p, input, next - p->pad_top, n_values, value_bytes,
                 scratch + (next % n_rows) * row_bytes);
      }
      windows.first_row = top % n_rows;
      anvil_row_of(&windows, c, p->output_w, output);
      output += p->output_w * c->n_channels;
    }
    input += p->input_h * p->input_w * p->input_channels;
  }
}

static ANVIL_AVX2 void by_bytes(const anvil_conv_2d_int8_parameters *p, const anvil_channels *c,
                                const int8_t *input, int8_t *output, uint8_t *scratch) {
  const anvil_conv_2d_int8_parameters own = *p; /* which no store through `output` can change */
  const anvil_channels channels = *c;
  all_rows(&own, &channels, 1, input, output, scratch);
}

static ANVIL_AVX2 void by_words(const anvil_conv_2d_int8_parameters *p, const anvil_channels *c,
                                const int8_t *input, int8_t *output, uint8_t *scratch) {
  const anvil_conv_2d_int8_parameters own = *p;
  const anvil_channels channels = *c;
  all_rows(&own, &channels, 2, input, output, scratch);
}

void anvil_conv_2d_int8_windows__avx2(const anvil_conv_2d_int8_parameters *parameters,
                                      const int8_t *input, const int8_t *weights,
                                      const int32_t *bias, const int32_t *multiplier,
                                      const int64_t *rounding, const int32_t *shift, int8_t *output,
                                      void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .multiplier = multiplier,
                                   .rounding = rounding,
                                   .shift = shift,
                                   .n_channels = p.output_channels,
                                   .halves_away = p.output_min < p.output_zero_point,
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  if (anvil_x86_has_avxvnni()) {
    by_bytes(&p, &channels, input, output, scratch);
  } else {
    by_words(&p, &channels, input, output, scratch);
  }
}
