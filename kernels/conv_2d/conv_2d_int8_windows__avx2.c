#include "common/channel_blocks__avx2.h"
#include "conv_2d/conv_2d__avx2.h"
#include "conv_2d/winograd__avx2.h"

/* Values `begin` to `end` - 1 of a row, which lie outside of the image. */
ANVIL_AVX2_INLINE void fill_border(int32_t value, int32_t begin, int32_t end, int32_t way,
                                   uint8_t *row) {
  if (way == ANVIL_BY_WORDS) {
    for (int32_t i = begin; i < end; ++i) {
      row[2 * i] = (uint8_t)value;
      row[2 * i + 1] = 0;
    }
    return;
  }
  for (int32_t i = begin; i < end; ++i) {
    row[i] = (uint8_t)value;
  }
}

/* One row of the image with the borders that windows reach into. */
ANVIL_AVX2_INLINE void fill_row(const anvil_conv_2d_int8_bytes_parameters *p, const int8_t *image,
                                int32_t y, int32_t n_values, int32_t way, uint8_t *row) {
  const int32_t border = p->input_zero_point + 128;
  int32_t begin = p->pad_left * p->input_channels;
  int32_t end = begin + p->input_w * p->input_channels;
  if (y < 0 || y >= p->input_h) {
    begin = n_values;
  }
  begin = begin < n_values ? begin : n_values;
  end = end < n_values ? end : n_values;
  fill_border(border, 0, begin, way, row);
  if (begin < end) {
    anvil_window_values(image + (int64_t)y * p->input_w * p->input_channels, end - begin, way,
                        row + begin * anvil_value_bytes(way));
  }
  fill_border(border, begin > end ? begin : end, n_values, way, row);
}

/* Row by row of the output. Each row of the image is read once, into a ring that holds those
 * under one row of windows, before the first output that depends on it is written. Winograd's tiles
 * are of some rows at a time, all of which are read before; two of them are read again. */
ANVIL_AVX2 void anvil_conv_2d_int8_windows__avx2(
    const anvil_conv_2d_int8_bytes_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *rescale, int8_t *output,
    void *scratch) {
  const anvil_conv_2d_int8_bytes_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .rescale = rescale,
                                   .n_channels = p.output_channels,
                                   .form = p.form,
                                   .way = anvil_way_to_multiply(p.fits_pairs),
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  if (channels.way == ANVIL_BY_WORDS && anvil_fits_winograd(&p)) {
    anvil_conv_2d_int8_winograd__avx2(&p, &channels, input, output, scratch);
    return;
  }
  const int32_t is_together = p.dilation_w == 1;
  const int32_t run_values = (is_together ? p.filter_w : 1) * p.input_channels;
  const int32_t n_tap_runs = is_together ? 1 : p.filter_w;
  const int32_t span = (p.output_w - 1) * p.stride_w + (p.filter_w - 1) * p.dilation_w + 1;
  const int32_t n_values = span * p.input_channels;
  const int32_t value_bytes = anvil_value_bytes(channels.way);
  const int32_t row_bytes = (n_values + ANVIL_STEP) * value_bytes;
  const int32_t n_rows = (p.filter_h - 1) * p.dilation_h + 1;
  int32_t *runs = scratch;
  uint8_t *rows = (uint8_t *)(runs + p.filter_h * n_tap_runs);
  const anvil_windows windows = {.first = rows,
                                 .runs = runs,
                                 .n_runs = p.filter_h * n_tap_runs,
                                 .n_steps = (run_values + ANVIL_STEP - 1) / ANVIL_STEP,
                                 .pixel_bytes = p.stride_w * p.input_channels * value_bytes};
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    int32_t next = 0; /* the row to read, counted from the first window's */
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t top = out_y * p.stride_h;
      for (next = next > top ? next : top; next < top + n_rows; ++next) {
        fill_row(&p, input, next - p.pad_top, n_values, channels.way,
                 rows + (next % n_rows) * row_bytes);
      }
      for (int32_t run = 0; run < windows.n_runs; ++run) {
        const int32_t row = (top + run / n_tap_runs * p.dilation_h) % n_rows;
        const int32_t column = run % n_tap_runs * p.dilation_w;
        runs[run] = row * row_bytes + column * p.input_channels * value_bytes;
      }
      anvil_outputs_of_windows__avx2(&windows, &channels, p.output_w, output);
      output += p.output_w * p.output_channels;
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
