#include "common/blocks__dsp.h"
#include "conv_2d/conv_2d__dsp.h"

typedef anvil_conv_2d_int8_blocks_parameters parameters_t;

/* Where an output pixel's window begins; y and x may lie outside of the image. */
typedef struct {
  const int8_t *image;
  int32_t y;
  int32_t x;
} window_t;

/* What does not change from pixel to pixel. */
typedef struct {
  int32_t run_taps; /* taps that lie side by side in the image */
  int32_t run_bytes;
  int32_t runs;   /* of each filter row */
  int32_t last_y; /* where a window may begin and lie inside of the image */
  int32_t last_x;
  int32_t end_y; /* where a window after the last of an image or a row would begin */
  int32_t end_x;
  int32_t outer;       /* calls that widen a window inside the image, */
  int32_t outer_step;  /* bytes from one to the next, */
  anvil_dsp_rows rows; /* and what each of them widens */
  int8_t *outside;     /* a run of nothing but the zero point */
  int8_t *partial[2];  /* a run of each pixel that has some of it */
} shape_t;

static int32_t round_up(int32_t n_bytes) {
  return (n_bytes + 3) & ~3;
}

static shape_t shape_of(const parameters_t *p, int8_t *rows) {
  shape_t s;
  const int is_dilated = p->dilation_w != 1;
  const int32_t image_row = p->input_w * p->input_channels;
  s.run_taps = is_dilated ? 1 : p->filter_w;
  s.runs = is_dilated ? p->filter_w : 1;
  s.run_bytes = s.run_taps * p->input_channels;
  s.last_y = p->input_h - 1 - (p->filter_h - 1) * p->dilation_h;
  s.last_x = p->input_w - 1 - (p->filter_w - 1) * p->dilation_w;
  s.end_y = p->output_h * p->stride_h - p->pad_top;
  s.end_x = p->output_w * p->stride_w - p->pad_left;
  s.outer = is_dilated ? p->filter_h : 1;
  s.outer_step = p->dilation_h * image_row;
  s.rows.n_rows = is_dilated ? p->filter_w : p->filter_h;
  s.rows.gap_bytes = (is_dilated ? p->dilation_w * p->input_channels : s.outer_step) - s.run_bytes;
  s.outside = rows;
  s.partial[0] = rows + round_up(s.run_bytes);
  s.partial[1] = s.partial[0] + round_up(s.run_bytes);
  return s;
}

static void fill(int8_t *bytes, int32_t value, int32_t n_bytes) {
  for (int32_t i = 0; i < n_bytes; ++i) {
    bytes[i] = (int8_t)value;
  }
}

/* A run that begins at (y, x), with the zero point for what lies outside of the image. */
static const int8_t *run_at(const parameters_t *p, const shape_t *s, const int8_t *image, int32_t y,
                            int32_t x, int8_t *partial) {
  const int32_t first = x < 0 ? -x : 0;
  const int32_t room = p->input_w - x;
  const int32_t end = room < s->run_taps ? room : s->run_taps;
  if (y < 0 || y >= p->input_h || first >= end) {
    return s->outside;
  }
  const int8_t *run = image + (y * p->input_w + x) * p->input_channels;
  if (end - first == s->run_taps) {
    return run;
  }
  const int32_t first_byte = first * p->input_channels;
  const int32_t end_byte = end * p->input_channels;
  fill(partial, p->input_zero_point, first_byte);
  for (int32_t i = first_byte; i < end_byte; ++i) {
    partial[i] = run[i];
  }
  fill(partial + end_byte, p->input_zero_point, s->run_bytes - end_byte);
  return partial;
}

static void widen_at_border(const parameters_t *p, const shape_t *s, const window_t windows[2],
                            uint32_t *widened) {
  const anvil_dsp_rows one_row = {1, 0};
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
    for (int32_t run = 0; run < s->runs; ++run) {
      const int8_t *runs[2];
      for (int i = 0; i < 2; ++i) {
        runs[i] = run_at(p, s, windows[i].image, windows[i].y + tap_y * p->dilation_h,
                         windows[i].x + run * p->dilation_w, s->partial[i]);
      }
      widened = anvil_dsp_widen_2(widened, runs, s->run_bytes, &one_row);
    }
  }
}

static void widen_inside(const parameters_t *p, const shape_t *s, const window_t windows[2],
                         uint32_t *widened) {
  const int8_t *pixels[2];
  for (int i = 0; i < 2; ++i) {
    pixels[i] = windows[i].image + (windows[i].y * p->input_w + windows[i].x) * p->input_channels;
  }
  for (int32_t n = s->outer; n > 0; --n) {
    widened = anvil_dsp_widen_2(widened, pixels, s->run_bytes, &s->rows);
    pixels[0] += s->outer_step;
    pixels[1] += s->outer_step;
  }
}

static int is_inside(const shape_t *s, const window_t *w) {
  return w->y >= 0 && w->y <= s->last_y && w->x >= 0 && w->x <= s->last_x;
}

static void advance(const parameters_t *p, const shape_t *s, window_t *w) {
  w->x += p->stride_w;
  if (w->x < s->end_x) {
    return;
  }
  w->x = -p->pad_left;
  w->y += p->stride_h;
  if (w->y < s->end_y) {
    return;
  }
  w->y = -p->pad_top;
  w->image += p->input_h * p->input_w * p->input_channels;
}

/* Two output pixels at a time; the last of an odd number is computed twice. Both windows are
 * widened before any of their outputs is written. */
void anvil_conv_2d_int8_blocks__dsp(const anvil_conv_2d_int8_blocks_parameters *parameters,
                                    const int8_t *input, const int32_t *stream, int8_t *output,
                                    void *scratch) {
  const parameters_t p = *parameters;
  uint32_t *const widened = scratch;
  int8_t *const rows = (int8_t *)(widened + 2 * p.n_steps);
  const shape_t s = shape_of(&p, rows);
  const anvil_dsp_blocks blocks = {(p.output_channels + 3) >> 2, p.n_steps, p.own_exponents};
  const int has_rows = p.filter_h * p.filter_w > 1;
  int8_t *const spare = has_rows ? rows + 3 * round_up(s.run_bytes) : rows;
  if (has_rows) {
    fill(s.outside, p.input_zero_point, s.run_bytes);
  }
  window_t next = {input, -p.pad_top, -p.pad_left};
  for (int32_t left = p.batches * p.output_h * p.output_w; left > 0; left -= 2) {
    window_t windows[2] = {next, next};
    if (left > 1) {
      advance(&p, &s, &next);
      windows[1] = next;
      advance(&p, &s, &next);
    }
    if (is_inside(&s, &windows[0]) && is_inside(&s, &windows[1])) {
      widen_inside(&p, &s, windows, widened);
    } else {
      widen_at_border(&p, &s, windows, widened);
    }
    int8_t *const second = left > 1 ? output + p.output_channels : output;
    if ((p.output_channels & 3) == 0) {
      int8_t *const outputs[2] = {output, second};
      anvil_dsp_block_2x4(widened, stream, outputs, &blocks);
    } else {
      int8_t *const outputs[2] = {spare, spare + 4 * blocks.n_blocks};
      anvil_dsp_block_2x4(widened, stream, outputs, &blocks);
      for (int32_t i = 0; i < p.output_channels; ++i) {
        output[i] = outputs[0][i];
        second[i] = outputs[1][i];
      }
    }
    output = second + p.output_channels;
  }
}
