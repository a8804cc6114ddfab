#include "common/pair_blocks__simd128.h"
#include "common/window.h"
#include "conv_2d/conv_2d__simd128.h"

/* With a block of channels these have eight vectors of sums, which leaves registers for weights
 * and activations. */
#define PIXELS 4

typedef struct {
  v128_t of[PIXELS][2];
} sums;

/* One pair of products of every pixel. */
static inline void add_pair(sums *s, const int16_t *const windows[PIXELS], int32_t at,
                            const int8_t *weights) {
  const v128_t low = wasm_i16x8_load8x8(weights);
  const v128_t high = wasm_i16x8_load8x8(weights + 8);
  for (int32_t i = 0; i < PIXELS; ++i) {
    const v128_t pair = wasm_v128_load32_splat(windows[i] + at);
    s->of[i][0] = wasm_i32x4_add(s->of[i][0], wasm_i32x4_dot_i16x8(pair, low));
    s->of[i][1] = wasm_i32x4_add(s->of[i][1], wasm_i32x4_dot_i16x8(pair, high));
  }
}

/* The outputs of up to PIXELS windows of `window` numbers each. */
static void all_channels(const anvil_pair_channels *c, const int16_t *scratch, int32_t window,
                         int32_t n_pixels, int8_t *output) {
  const int8_t *weights = c->weights;
  for (int32_t channel = 0; channel < c->n_channels; channel += ANVIL_BLOCK) {
    sums s;
    const int16_t *windows[PIXELS];
    for (int32_t i = 0; i < PIXELS; ++i) {
      s.of[i][0] = wasm_v128_load(c->bias + channel);
      s.of[i][1] = wasm_v128_load(c->bias + channel + 4);
      windows[i] = scratch + i * window;
    }
    int32_t pair = 0;
    for (; pair + 4 <= c->n_pairs; pair += 4) {
      for (int32_t i = 0; i < 4; ++i) {
        add_pair(&s, (const int16_t *const *)windows, i * ANVIL_PAIR,
                 weights + i * ANVIL_BLOCK_PAIR_BYTES);
      }
      weights += 4 * ANVIL_BLOCK_PAIR_BYTES;
      for (int32_t i = 0; i < PIXELS; ++i) {
        windows[i] += 4 * ANVIL_PAIR;
      }
    }
    for (; pair < c->n_pairs; ++pair) {
      add_pair(&s, (const int16_t *const *)windows, 0, weights);
      weights += ANVIL_BLOCK_PAIR_BYTES;
      for (int32_t i = 0; i < PIXELS; ++i) {
        windows[i] += ANVIL_PAIR;
      }
    }
    int8_t *to = output + channel;
    for (int32_t i = 0; i < PIXELS; ++i) {
      const v128_t bytes = anvil_rescale_block(c, channel, s.of[i][0], s.of[i][1]);
      if (i < n_pixels) {
        anvil_store_bytes(to, bytes, c->n_channels - channel);
      }
      to += c->n_channels;
    }
  }
}

static void fill(int16_t *to, int32_t value, int32_t n) {
  for (int32_t i = 0; i < n; ++i) {
    to[i] = (int16_t)value;
  }
}

/* One window as 16-bit numbers. Outside of the image is the input's zero point, which the biases
 * take off again. */
static void widen_window(const anvil_conv_2d_int8_parameters *p, const int8_t *image, int32_t y,
                         int32_t x, int16_t *to) {
  const int32_t pixel = p->input_channels;
  const int32_t run = p->filter_w * pixel;
  const anvil_taps rows = anvil_taps_inside(y, p->input_h, p->filter_h, p->dilation_h);
  const anvil_taps columns = anvil_taps_inside(x, p->input_w, p->filter_w, p->dilation_w);
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
                                        .n_pairs = window / ANVIL_PAIR,
                                        .zero_point = p.output_zero_point,
                                        .least = p.output_min,
                                        .greatest = p.output_max};
  int16_t *const windows = scratch;
  fill(windows, 0, PIXELS * window);
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    int32_t out_x = 0;
    int32_t y = -p.pad_top;
    for (int32_t rest = p.output_h * p.output_w; rest > 0; rest -= PIXELS) {
      /* All windows are read before anything is written, so that the output may lie over the
       * input as if it were written pixel by pixel. */
      const int32_t n = rest < PIXELS ? rest : PIXELS;
      for (int32_t i = 0; i < n; ++i) {
        widen_window(&p, input, y, out_x * p.stride_w - p.pad_left, windows + i * window);
        if (++out_x == p.output_w) {
          out_x = 0;
          y += p.stride_h;
        }
      }
      all_channels(&channels, windows, window, n, output);
      output += n * p.output_channels;
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
