#include "common/blocks__rv32.h"
#include "common/dots_4x4__rv32.h"
#include "common/window.h"
#include "conv_2d/conv_2d__rv32.h"

enum { PIXELS = 4 };

/* Returns where it stopped writing. Words where both lie on words, else bytes: the core has no
 * words that lie anywhere. */
ANVIL_INLINE int8_t *copied(int8_t *to, const int8_t *from, int32_t n) {
  int8_t *const end = to + n;
  if ((((uintptr_t)to | (uintptr_t)from | (uintptr_t)n) & 3) == 0) {
    for (; to < end; to += 4, from += 4) {
      *(int32_t *)(void *)to = *(const int32_t *)(const void *)from;
    }
  } else {
    for (; end - to >= 4; to += 4, from += 4) {
      to[0] = from[0];
      to[1] = from[1];
      to[2] = from[2];
      to[3] = from[3];
    }
    while (to < end) {
      *to++ = *from++;
    }
  }
  return end;
}

ANVIL_INLINE int8_t *filled(int8_t *to, int32_t value, int32_t n) {
  for (int8_t *const end = to + n; to < end; ++to) {
    *to = (int8_t)value;
  }
  return to;
}

/* The window of one pixel without its gaps; the zero point is what lies beside the image. */
ANVIL_INLINE void copy_window(const anvil_conv_2d_int8_parameters *p, const int8_t *image,
                              int32_t y, int32_t x, int8_t *to) {
  const int32_t pixel = p->input_channels;
  const anvil_taps columns = anvil_taps_inside(x, p->input_w, p->filter_w, p->dilation_w);
  const int32_t n_inside = columns.end > columns.begin ? columns.end - columns.begin : 0;
  const int32_t begin = n_inside > 0 ? columns.begin : p->filter_w;
  const int32_t n_behind = p->filter_w - begin - n_inside;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y, y += p->dilation_h) {
    if (y < 0 || y >= p->input_h) {
      to = filled(to, p->input_zero_point, p->filter_w * pixel);
      continue;
    }
    const int8_t *from = image + (y * p->input_w + x + begin * p->dilation_w) * pixel;
    to = filled(to, p->input_zero_point, begin * pixel);
    if (p->dilation_w == 1) {
      to = copied(to, from, n_inside * pixel);
    } else {
      for (int32_t tap_x = 0; tap_x < n_inside; ++tap_x) {
        to = copied(to, from, pixel);
        from += p->dilation_w * pixel;
      }
    }
    to = filled(to, p->input_zero_point, n_behind * pixel);
  }
}

/* All channels of four pixels. */
static void compute_4(const anvil_conv_2d_int8_parameters *p, const int32_t *block,
                      const int8_t *windows, int32_t distance, int8_t *output) {
  const int32_t n_products = p->filter_h * p->filter_w * p->input_channels;
  const anvil_bounds bounds = {p->output_min, p->output_max};
  for (int32_t left = p->output_channels; left > 0; left -= ANVIL_BLOCK_CHANNELS) {
    uint32_t totals[PIXELS * ANVIL_BLOCK_CHANNELS];
    anvil_dots_4x4__rv32(block, windows, distance, n_products, totals);
    block += ANVIL_BLOCK_CHANNELS + n_products;
    for (int32_t i = 0; i < ANVIL_BLOCK_CHANNELS && i < left; ++i) {
      const anvil_rescaling by = anvil_rescaling_of(block, i);
      int8_t *to = output++;
      for (int32_t pixel = 0; pixel < PIXELS; ++pixel, to += p->output_channels) {
        *to = anvil_rescaled(totals[PIXELS * i + pixel], by, bounds);
      }
    }
    block += ANVIL_RESCALING_WORDS;
  }
}

/* Four pixels at a time, wherever they lie, and then the rest one by one. The windows of four are
 * copied before any of their outputs is written. */
void anvil_conv_2d_int8_blocks__rv32(const anvil_conv_2d_int8_parameters *parameters,
                                     const int8_t *input, const int32_t *blocks, int8_t *output,
                                     void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const int32_t n_products = p.filter_h * p.filter_w * p.input_channels;
  const int32_t distance = (n_products + 3) / 4 * 4;
  const anvil_bounds bounds = {p.output_min, p.output_max};
  const int8_t *const windows = scratch;
  int32_t n_copied = 0;
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        copy_window(&p, input, out_y * p.stride_h - p.pad_top, out_x * p.stride_w - p.pad_left,
                    (int8_t *)scratch + n_copied * distance);
        if (++n_copied == PIXELS) {
          compute_4(&p, blocks, windows, distance, output);
          output += PIXELS * p.output_channels;
          n_copied = 0;
        }
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
  for (int32_t i = 0; i < n_copied; ++i) {
    anvil_outputs_of_1(windows + i * distance, n_products, blocks, p.output_channels, bounds,
                       output);
    output += p.output_channels;
  }
}
