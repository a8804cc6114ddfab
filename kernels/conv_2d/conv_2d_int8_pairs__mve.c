#include <stdbool.h>

#include "common/bytes__mve.h"
#include "common/dots_2x4__mve.h"
#include "conv_2d/conv_2d__mve.h"
#include "conv_2d/window__mve.h"

#define INLINE static inline __attribute__((always_inline))

/* A window with gaps, tap by tap. */
static __attribute__((noinline)) void copy_taps(const anvil_conv_2d_int8_parameters *p,
                                                const int8_t *image, int32_t y, int32_t x,
                                                int8_t *to) {
  const int32_t n = p->input_channels;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
    const int32_t in_y = y + tap_y * p->dilation_h;
    const bool is_inside_y = in_y >= 0 && in_y < p->input_h;
    for (int32_t tap_x = 0; tap_x < p->filter_w; ++tap_x) {
      const int32_t in_x = x + tap_x * p->dilation_w;
      if (is_inside_y && in_x >= 0 && in_x < p->input_w) {
        anvil_copy_bytes(to, image + (in_y * p->input_w + in_x) * n, n);
      } else {
        anvil_fill_bytes(to, (int8_t)p->input_zero_point, n);
      }
      to += n;
    }
  }
}

INLINE int32_t between(int32_t value, int32_t least, int32_t most) {
  return value < least ? least : value > most ? most : value;
}

/* Which columns of a window at `x` are in the image. */
static __attribute__((noinline)) void set_sides(const anvil_conv_2d_int8_parameters *p, int32_t x,
                                                anvil_window *window) {
  const int32_t n = p->input_channels;
  const int32_t left = between(-x, 0, p->filter_w) * n;
  const int32_t right = between(p->input_w - x, 0, p->filter_w) * n;
  window->left = left;
  window->inside = right > left ? right - left : 0;
  if (window->run <= 16) {
    window->mask = (1U << right) - 1 & ~((1U << left) - 1);
  }
}

/* What all windows have in common. */
INLINE anvil_window window_of(const anvil_conv_2d_int8_parameters *p) {
  return (anvil_window){.value = p->input_zero_point,
                        .row = p->input_w * p->input_channels,
                        .run = p->filter_w * p->input_channels};
}

/* Pair by pair; whether one pixel is left over, with its window in the first column. */
INLINE bool all_windows(const anvil_conv_2d_int8_parameters *p, anvil_dots_2x4 *dots,
                        const int8_t *input, int8_t *columns) {
  const bool has_gaps = p->dilation_w != 1 || p->dilation_h != 1;
  int8_t *const second = columns + dots->n_steps * ANVIL_DOTS_STEP;
  const int32_t last_x = p->input_w - p->filter_w;
  anvil_window window = window_of(p);
  int8_t *column = columns;
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    for (int32_t out_y = 0; out_y < p->output_h; ++out_y) {
      const int32_t y = out_y * p->stride_h - p->pad_top;
      const int32_t above = between(-y, 0, p->filter_h);
      const int32_t below = between(p->input_h - y, above, p->filter_h);
      window.above = above * window.run;
      window.n_rows = below - above;
      window.below = (p->filter_h - below) * window.run;
      int32_t x = -p->pad_left;
      const int8_t *from = input + (y + above) * window.row + x * p->input_channels;
      bool was_whole = false;
      for (int32_t left = p->output_w; left > 0; --left) {
        if (has_gaps) {
          copy_taps(p, input, y, x, column);
        } else {
          const bool is_whole = x >= 0 && x <= last_x;
          if (!(is_whole && was_whole)) {
            set_sides(p, x, &window);
          }
          was_whole = is_whole;
          anvil_window__mve(&window, from, column);
          from += p->stride_w * p->input_channels;
        }
        x += p->stride_w;
        if (column == columns) {
          column = second;
        } else {
          column = columns;
          anvil_dots_2x4__mve(dots);
          dots->output += 2 * p->output_channels;
        }
      }
    }
    input += p->input_h * p->input_w * p->input_channels;
  }
  return column != columns;
}

/* A window is a pixel, and the pixels follow each other as those of the image do. */
INLINE bool is_pointwise(const anvil_conv_2d_int8_parameters *p) {
  return p->filter_h == 1 && p->filter_w == 1 && p->stride_h == 1 && p->stride_w == 1 &&
         p->pad_top == 0 && p->pad_left == 0 && p->input_h == p->output_h &&
         p->input_w == p->output_w;
}

/* The same where a window is a pixel. */
INLINE bool all_pixels(const anvil_conv_2d_int8_parameters *p, anvil_dots_2x4 *dots,
                       const int8_t *input, int8_t *columns) {
  const int32_t n_channels = p->input_channels;
  int32_t left = p->batches * p->output_h * p->output_w;
  if (n_channels % 4 == 0 && left >= 2) {
    dots->values[1] = columns + n_channels;
    dots->input = input;
    dots->n_pairs = left / 2;
    dots->pair_bytes = 2 * n_channels;
    anvil_dots_2x4__mve(dots);
    dots->pair_bytes = 0;
    input += left / 2 * 2 * n_channels;
    dots->output += left / 2 * 2 * p->output_channels;
    left %= 2;
  }
  for (; left >= 2; left -= 2) {
    anvil_copy_bytes(columns, input, n_channels);
    anvil_copy_bytes(columns + dots->n_steps * ANVIL_DOTS_STEP, input + n_channels, n_channels);
    anvil_dots_2x4__mve(dots);
    input += 2 * n_channels;
    dots->output += 2 * p->output_channels;
  }
  anvil_copy_bytes(columns, input, left * n_channels);
  return left != 0;
}

/* Two pixels at a time, wherever they lie. Their windows are copied before either is written. */
void anvil_conv_2d_int8_pairs__mve(const anvil_conv_2d_int8_parameters *parameters,
                                   const int8_t *input, const int32_t *blocks, int8_t *output,
                                   void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const int32_t n_products = p.filter_h * p.filter_w * p.input_channels;
  const int32_t n_steps = (n_products + ANVIL_DOTS_STEP - 1) / ANVIL_DOTS_STEP;
  int8_t *const columns = scratch;
  anvil_dots_2x4 dots = {.values = {columns, columns + n_steps * ANVIL_DOTS_STEP},
                         .blocks = blocks,
                         .output = output,
                         .output_distance = p.output_channels,
                         .n_channels = p.output_channels,
                         .n_steps = n_steps,
                         .zero_point = p.output_zero_point};
  const bool is_second = is_pointwise(&p) ? all_pixels(&p, &dots, input, columns)
                                          : all_windows(&p, &dots, input, columns);
  if (is_second) { /* the last pixel of an odd number: both columns are its own */
    dots.values[1] = columns;
    dots.output_distance = 0;
    anvil_dots_2x4__mve(&dots);
  }
  anvil_clamp_bytes(output, p.batches * p.output_h * p.output_w * p.output_channels, p.output_min,
                    p.output_max);
}
