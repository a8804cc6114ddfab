#include "common/window.h"
#include "conv_2d/conv_2d__simd128.h"
#include "conv_2d/six_pixels__simd128.h"

static void fill(int16_t *to, int32_t value, int32_t n) {
  for (int32_t i = 0; i < n; ++i) {
    to[i] = (int16_t)value;
  }
}

/* As anvil_taps_inside, which divides, and most windows lie inside. */
static anvil_taps taps_inside(int32_t origin, int32_t extent, int32_t n_taps, int32_t dilation) {
  const anvil_taps all = {0, n_taps};
  return origin >= 0 && origin + (n_taps - 1) * dilation < extent
             ? all
             : anvil_taps_inside(origin, extent, n_taps, dilation);
}

/* One window as 16-bit numbers. Outside of the image is the input's zero point, which the biases
 * take off again. */
static void widen_window(const anvil_conv_2d_int8_parameters *p, const int8_t *image, int32_t y,
                         int32_t x, int16_t *to) {
  const int32_t pixel = p->input_channels;
  const int32_t run = p->filter_w * pixel;
  const anvil_taps rows = taps_inside(y, p->input_h, p->filter_h, p->dilation_h);
  const anvil_taps columns = taps_inside(x, p->input_w, p->filter_w, p->dilation_w);
  const int32_t begin = columns.begin;
  const int32_t end = columns.end > begin ? columns.end : begin;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
    if (tap_y < rows.begin || tap_y >= rows.end || begin == end) {
      fill(to, p->input_zero_point, run);
    } else {
      const int8_t *row = image + (y + tap_y * p->dilation_h) * p->input_w * pixel;
      fill(to, p->input_zero_point, begin * pixel);
      if (p->dilation_w == 1) {
        anvil_widen(to + begin * pixel, row + (x + begin) * pixel, (end - begin) * pixel);
      } else {
        for (int32_t tap_x = begin; tap_x < end; ++tap_x) {
          anvil_widen(to + tap_x * pixel, row + (x + tap_x * p->dilation_w) * pixel, pixel);
        }
      }
      fill(to + end * pixel, p->input_zero_point, (p->filter_w - end) * pixel);
    }
    to += run;
  }
}

void anvil_conv_2d_int8_blocks__simd128(const anvil_conv_2d_int8_parameters *parameters,
                                        const int8_t *input, const int8_t *weights,
                                        const int32_t *bias, const double *scale,
                                        const double *away, int8_t *output, void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const int32_t depth = p.filter_h * p.filter_w * p.input_channels;
  const int32_t window = depth + depth % ANVIL_PAIR;
  const anvil_pair_channels channels = {.weights = weights,
                                        .bias = bias,
                                        .scale = scale,
                                        .away = away,
                                        .n_channels = p.output_channels,
                                        .zero_point = p.output_zero_point,
                                        .least = p.output_min,
                                        .greatest = p.output_max};
  int16_t *const numbers = scratch;
  const int16_t *const row = numbers; /* of a window there is one, with all of it */
  anvil_windows windows = {.n_rows = 1, .n_pairs = window / ANVIL_PAIR};
  for (int32_t i = 0; i < ANVIL_PIXELS; ++i) {
    windows.rows[i] = &row;
    windows.offset[i] = i * window;
  }
  fill(numbers, 0, ANVIL_PIXELS * window);
  const int32_t n_pixels = p.output_h * p.output_w;
  /* Pixels are windows, and follow each other as they do in the input. */
  const int is_flat = window == p.input_channels && p.output_h == p.input_h &&
                      p.output_w == p.input_w && p.stride_h == 1 && p.stride_w == 1 &&
                      p.pad_top == 0 && p.pad_left == 0;
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    int32_t out_x = 0;
    int32_t y = -p.pad_top;
    for (int32_t rest = n_pixels; rest > 0; rest -= ANVIL_PIXELS) {
      /* All windows are read before anything is written, so that the output may lie over the
       * input as if it were written pixel by pixel. */
      const int32_t n = rest < ANVIL_PIXELS ? rest : ANVIL_PIXELS;
      if (is_flat) {
        anvil_widen(numbers, input + (n_pixels - rest) * depth, n * depth);
      } else {
        for (int32_t i = 0; i < n; ++i) {
          widen_window(&p, input, y, out_x * p.stride_w - p.pad_left, numbers + i * window);
          if (++out_x == p.output_w) {
            out_x = 0;
            y += p.stride_h;
          }
        }
      }
      anvil_six_pixels__simd128(&channels, &windows, n, output);
      output += n * p.output_channels;
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
