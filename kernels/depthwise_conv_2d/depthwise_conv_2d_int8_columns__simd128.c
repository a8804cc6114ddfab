#include "common/pair_blocks__simd128.h"
#include "depthwise_conv_2d/depthwise_conv_2d__simd128.h"

/* Outputs that share a load of the weights; images are often a multiple of it wide. */
#define PIXELS 3

/* The rows under a row of outputs, two and two: of each column and block of channels the numbers of
 * both rows in turn, channel by channel, so that one instruction multiplies and adds both. */
typedef struct {
  const int16_t *numbers;
  int32_t n_pairs;   /* of rows */
  int32_t n_columns; /* of a window */
  int32_t row;       /* numbers from one pair of rows to the next */
  int32_t column;    /* from one column of a window to the next */
  int32_t pixel;     /* from one window to the next */
} paired_rows;

static void store_pairs(int16_t *to, v128_t first, v128_t second) {
  wasm_v128_store(to, wasm_i16x8_shuffle(first, second, 0, 8, 1, 9, 2, 10, 3, 11));
  wasm_v128_store(to + 8, wasm_i16x8_shuffle(first, second, 4, 12, 5, 13, 6, 14, 7, 15));
}

/* All channels of two pixels that lie one below the other. */
static int16_t *pair_pixels(int16_t *to, const int8_t *first, const int8_t *second,
                            int32_t n_channels) {
  int32_t channel = 0;
  for (; channel + ANVIL_BLOCK <= n_channels; channel += ANVIL_BLOCK) {
    store_pairs(to, wasm_i16x8_load8x8(first + channel), wasm_i16x8_load8x8(second + channel));
    to += ANVIL_BLOCK * ANVIL_PAIR;
  }
  if (channel < n_channels) {
    store_pairs(to, anvil_load_rest(first, channel, n_channels),
                anvil_load_rest(second, channel, n_channels));
    to += ANVIL_BLOCK * ANVIL_PAIR;
  }
  return to;
}

/* A row of the image, or outside of it one pixel that stands for a row. */
typedef struct {
  const int8_t *at;
  int32_t is_inside;
} image_row;

static image_row row_at(const anvil_depthwise_conv_2d_int8_parameters *p, const int8_t *image,
                        int32_t y, const int8_t *outside) {
  const int32_t is_inside = y >= 0 && y < p->input_h;
  const image_row row = {is_inside ? image + y * p->input_w * p->input_channels : outside,
                         is_inside};
  return row;
}

static int16_t *fill(int16_t *to, int32_t value, int32_t n_blocks) {
  const v128_t values = wasm_i16x8_splat((int16_t)value);
  for (; n_blocks > 0; --n_blocks) {
    wasm_v128_store(to, values);
    wasm_v128_store(to + 8, values);
    to += ANVIL_BLOCK * ANVIL_PAIR;
  }
  return to;
}

static inline int32_t smaller(int32_t a, int32_t b) {
  return a < b ? a : b;
}

/* Two rows, of which windows have `span` columns. */
static int16_t *pair_rows(const anvil_depthwise_conv_2d_int8_parameters *p, int16_t *to,
                          image_row first, image_row second, int32_t span) {
  const int32_t n_channels = p->input_channels;
  const int32_t n_blocks = (n_channels + ANVIL_BLOCK - 1) / ANVIL_BLOCK;
  const int32_t n_before = smaller(p->pad_left, span);
  const int32_t n_inside = smaller(p->input_w, span - n_before);
  to = fill(to, p->input_zero_point, n_before * n_blocks);
  /* Where all blocks are whole, they follow each other from pixel to pixel. */
  const int32_t is_whole = n_channels % ANVIL_BLOCK == 0;
  const int32_t step = is_whole ? ANVIL_BLOCK : n_channels;
  const int32_t first_step = first.is_inside ? step : 0;
  const int32_t second_step = second.is_inside ? step : 0;
  if (is_whole) {
    for (int32_t rest = n_inside * n_blocks; rest > 0; --rest) {
      store_pairs(to, wasm_i16x8_load8x8(first.at), wasm_i16x8_load8x8(second.at));
      to += ANVIL_BLOCK * ANVIL_PAIR;
      first.at += first_step;
      second.at += second_step;
    }
  } else {
    for (int32_t rest = n_inside; rest > 0; --rest) {
      to = pair_pixels(to, first.at, second.at, n_channels);
      first.at += first_step;
      second.at += second_step;
    }
  }
  return fill(to, p->input_zero_point, (span - n_before - n_inside) * n_blocks);
}

#define ADD(sum, at)                                                                       \
  {                                                                                        \
    sum##0 = wasm_i32x4_add(sum##0, wasm_i32x4_dot_i16x8(wasm_v128_load(at), low));        \
    sum##1 = wasm_i32x4_add(sum##1, wasm_i32x4_dot_i16x8(wasm_v128_load((at) + 8), high)); \
  }

/* The outputs of the first n_pixels windows from `x` on; the others are the first once more. */
static void some_pixels(const anvil_pair_channels *c, const paired_rows *rows, int32_t x,
                        int32_t n_pixels, int8_t *output) {
  const paired_rows r = *rows;
  const int32_t second = n_pixels > 1 ? r.pixel : 0;
  const int32_t third = n_pixels > 2 ? 2 * r.pixel : 0;
  const int16_t *block = r.numbers + x * r.pixel;
  const int8_t *weights = c->weights;
  for (int32_t channel = 0; channel < c->n_channels; channel += ANVIL_BLOCK) {
    v128_t a0 = wasm_v128_load(c->bias + channel), b0 = a0, c0 = a0;
    v128_t a1 = wasm_v128_load(c->bias + channel + 4), b1 = a1, c1 = a1;
    for (int32_t pair = 0; pair < r.n_pairs; ++pair) {
      const int16_t *at = block + pair * r.row;
#pragma clang loop unroll(disable)
      for (int32_t rest = r.n_columns; rest > 0; --rest) {
        const v128_t low = wasm_i16x8_load8x8(weights);
        const v128_t high = wasm_i16x8_load8x8(weights + 8);
        ADD(a, at)
        ADD(b, at + second)
        ADD(c, at + third)
        at += r.column;
        weights += ANVIL_BLOCK_PAIR_BYTES;
      }
    }
    const v128_t sums[2 * PIXELS] = {a0, a1, b0, b1, c0, c1};
    anvil_store_blocks__simd128(c, channel, sums, n_pixels, output);
    block += ANVIL_BLOCK * ANVIL_PAIR;
  }
}

void anvil_depthwise_conv_2d_int8_columns__simd128(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const double *scale, const double *away,
    int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = *parameters;
  const anvil_pair_channels channels = {.weights = weights,
                                        .bias = bias,
                                        .scale = scale,
                                        .away = away,
                                        .n_channels = p.input_channels,
                                        .zero_point = p.output_zero_point,
                                        .least = p.output_min,
                                        .greatest = p.output_max};
  const int32_t n_blocks = (p.input_channels + ANVIL_BLOCK - 1) / ANVIL_BLOCK;
  const int32_t pixel = n_blocks * ANVIL_BLOCK * ANVIL_PAIR;
  const int32_t span = (p.output_w - 1) * p.stride_w + (p.filter_w - 1) * p.dilation_w + 1;
  int16_t *const numbers = scratch;
  const paired_rows rows = {.numbers = numbers,
                            .n_pairs = (p.filter_h + 1) / 2,
                            .n_columns = p.filter_w,
                            .row = span * pixel,
                            .column = p.dilation_w * pixel,
                            .pixel = p.stride_w * pixel};
  /* What lies outside of the image: the input's zero point, which the biases take off again. */
  int8_t *const outside = (int8_t *)(numbers + rows.n_pairs * rows.row);
  for (int32_t i = 0; i < p.input_channels; ++i) {
    outside[i] = (int8_t)p.input_zero_point;
  }
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      int32_t y = out_y * p.stride_h - p.pad_top;
      int16_t *to = numbers;
      for (int32_t pair = 0; pair < rows.n_pairs; ++pair) {
        /* Below the last of an odd number of rows is one with weights of 0. */
        const int32_t below = 2 * pair + 1 < p.filter_h ? y + p.dilation_h : -1;
        to = pair_rows(&p, to, row_at(&p, input, y, outside), row_at(&p, input, below, outside),
                       span);
        y += 2 * p.dilation_h;
      }
      for (int32_t x = 0; x < p.output_w; x += PIXELS) {
        const int32_t n = p.output_w - x < PIXELS ? p.output_w - x : PIXELS;
        some_pixels(&channels, &rows, x, n, output);
        output += n * p.input_channels;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
