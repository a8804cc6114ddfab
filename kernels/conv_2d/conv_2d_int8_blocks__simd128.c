#include "common/pair_blocks__simd128.h"
#include "common/window.h"
#include "conv_2d/conv_2d__simd128.h"

/* With a block of channels these have eight vectors of sums, which leaves registers for weights
 * and activations. */
#define PIXELS 4

/* One pair of products of one pixel. The sums have names of their own, since compilers keep an
 * array of them in memory. */
#define ADD(sum, window)                                               \
  {                                                                    \
    const v128_t pair = wasm_v128_load32_splat(window);                \
    sum##0 = wasm_i32x4_add(sum##0, wasm_i32x4_dot_i16x8(pair, low));  \
    sum##1 = wasm_i32x4_add(sum##1, wasm_i32x4_dot_i16x8(pair, high)); \
    (window) += ANVIL_PAIR;                                            \
  }

static void store(const anvil_pair_channels *channels, int32_t channel, v128_t low, v128_t high,
                  int8_t *output) {
  anvil_store_bytes(output + channel, anvil_rescale_block(channels, channel, low, high),
                    channels->n_channels - channel);
}

/* The outputs of up to PIXELS windows of `window` numbers each. */
static void all_channels(const anvil_pair_channels *channels, const int16_t *windows,
                         int32_t window, int32_t n_pixels, int8_t *output) {
  const int32_t n_channels = channels->n_channels;
  const int8_t *weights = channels->weights;
  for (int32_t channel = 0; channel < n_channels; channel += ANVIL_BLOCK) {
    v128_t a0 = wasm_v128_load(channels->bias + channel), b0 = a0, c0 = a0, d0 = a0;
    v128_t a1 = wasm_v128_load(channels->bias + channel + 4), b1 = a1, c1 = a1, d1 = a1;
    const int16_t *window_a = windows;
    const int16_t *window_b = windows + window;
    const int16_t *window_c = windows + 2 * window;
    const int16_t *window_d = windows + 3 * window;
    /* One pair a round: where compilers see several, they load all of them before the first
     * multiplication, and engines run out of registers. */
#pragma clang loop unroll(disable)
    for (int32_t rest = channels->n_pairs; rest > 0; --rest) {
      const v128_t low = wasm_i16x8_load8x8(weights);
      const v128_t high = wasm_i16x8_load8x8(weights + 8);
      ADD(a, window_a)
      ADD(b, window_b)
      ADD(c, window_c)
      ADD(d, window_d)
      weights += ANVIL_BLOCK_PAIR_BYTES;
    }
    store(channels, channel, a0, a1, output);
    if (n_pixels > 1) {
      store(channels, channel, b0, b1, output + n_channels);
    }
    if (n_pixels > 2) {
      store(channels, channel, c0, c1, output + 2 * n_channels);
    }
    if (n_pixels > 3) {
      store(channels, channel, d0, d1, output + 3 * n_channels);
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
