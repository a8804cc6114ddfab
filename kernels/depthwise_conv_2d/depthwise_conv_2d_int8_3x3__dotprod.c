#include <arm_neon.h>
#include <stddef.h>

#include "common/narrow__neon.h"
#include "depthwise_conv_2d/depthwise_conv_2d__dotprod.h"

#define INLINE static inline __attribute__((always_inline))

/* The windows of two neighbouring pixels are four columns wide together. The four bytes of each
 * row and channel, brought side by side once, serve both pixels: the weights of the first have a
 * zero behind them, and those of the second one in front. */
#define ROWS 3
#define COLUMNS 4

/* What all pixels of a call share. */
typedef struct {
  const int8_t *weights;
  const int32_t *channels;
  int32_t n_channels;
  anvil_output_range range;
} layer;

/* 16 channels of two pixels, or 8 in the first half of each vector. */
typedef struct {
  int8x16_t first;
  int8x16_t second;
} pair;

INLINE int8x16_t load(int n_halves, const int8_t *from) {
  return n_halves == 2 ? vld1q_s8(from) : vcombine_s8(vld1_s8(from), vdup_n_s8(0));
}

/* One row of both windows for 8 * n_halves channels. */
INLINE void add_row(int32x4_t *first, int32x4_t *second, int n_halves, const int8_t *weights,
                    const int8_t *base, const ptrdiff_t *offsets) {
  const int8x16_t column0 = load(n_halves, base + offsets[0]);
  const int8x16_t column1 = load(n_halves, base + offsets[1]);
  const int8x16_t column2 = load(n_halves, base + offsets[2]);
  const int8x16_t column3 = load(n_halves, base + offsets[3]);
  int16x8_t left[2] = {vreinterpretq_s16_s8(vzip1q_s8(column0, column1))};
  int16x8_t right[2] = {vreinterpretq_s16_s8(vzip1q_s8(column2, column3))};
  if (n_halves == 2) {
    left[1] = vreinterpretq_s16_s8(vzip2q_s8(column0, column1));
    right[1] = vreinterpretq_s16_s8(vzip2q_s8(column2, column3));
  }
#pragma GCC unroll 2
  for (int half = 0; half < n_halves; ++half) {
    const int8x16_t low = vreinterpretq_s8_s16(vzip1q_s16(left[half], right[half]));
    const int8x16_t high = vreinterpretq_s8_s16(vzip2q_s16(left[half], right[half]));
    const int8_t *const of_first = weights + 32 * half;
    const int8_t *const of_second = of_first + 32 * n_halves;
    first[2 * half] = vdotq_s32(first[2 * half], low, vld1q_s8(of_first));
    first[2 * half + 1] = vdotq_s32(first[2 * half + 1], high, vld1q_s8(of_first + 16));
    second[2 * half] = vdotq_s32(second[2 * half], low, vld1q_s8(of_second));
    second[2 * half + 1] = vdotq_s32(second[2 * half + 1], high, vld1q_s8(of_second + 16));
  }
}

/* A block of both pixels: 8 * n_halves channels from `base` on; the compiler knows n_halves.
 * offsets: of the 12 pixels under both windows from `base`. */
INLINE pair compute(const layer *l, int n_halves, const int8_t *weights, const int32_t *channels,
                    const int8_t *base, const ptrdiff_t *offsets) {
  const int32_t width = 8 * n_halves;
  int32x4_t first[4];
  int32x4_t second[4];
#pragma GCC unroll 4
  for (int i = 0; i < 2 * n_halves; ++i) {
    first[i] = second[i] = vld1q_s32(channels + 4 * i);
  }
  /* Keeps it one register, to which loads add each offset themselves. */
  __asm__("" : "+r"(base));
#pragma GCC unroll 3
  for (int row = 0; row < ROWS; ++row) {
    add_row(first, second, n_halves, weights + row * 2 * COLUMNS * width, base,
            offsets + COLUMNS * row);
  }
  const anvil_channel_scales scales =
      anvil_channel_scales_of(2 * n_halves, channels + width, channels + 2 * width);
  pair found;
  if (n_halves == 2) {
    found.first = anvil_narrow16(first, &scales, l->range);
    found.second = anvil_narrow16(second, &scales, l->range);
  } else {
    const int8x8_t zeros = vdup_n_s8(0);
    found.first = vcombine_s8(anvil_narrow8(first, &scales, l->range), zeros);
    found.second = vcombine_s8(anvil_narrow8(second, &scales, l->range), zeros);
  }
  return found;
}

INLINE void store(int8_t *to, int n_halves, int8x16_t values) {
  if (n_halves == 2) {
    vst1q_s8(to, values);
  } else {
    vst1_s8(to, vget_low_s8(values));
  }
}

/* All channels of two pixels. The output may lie over the input, where the first pixel may be
 * stored block by block, as it is when pixels come one by one; the second has to wait. */
INLINE void compute_pixels(const layer *given, int n_halves, const int8_t *base,
                           const ptrdiff_t *offsets, int8_t *first, int8_t *second) {
  const layer l = *given; /* to the compiler, what is stored may lie over the one given */
  const int32_t width = 8 * n_halves;
  const int32_t weights_of_block = ROWS * 2 * COLUMNS * width;
  const int32_t n_blocks = l.n_channels / width;
  const int32_t begin_of_last = l.n_channels - width;
  const int has_rest = l.n_channels % width != 0;
  /* The last block overlaps the one before: it is read before anything is stored. */
  pair last = {vdupq_n_s8(0), vdupq_n_s8(0)};
  if (has_rest) {
    last = compute(&l, n_halves, l.weights + n_blocks * weights_of_block,
                   l.channels + n_blocks * 3 * width, base + begin_of_last, offsets);
  }
  const int8_t *weights = l.weights;
  const int32_t *channels = l.channels;
  for (int32_t channel = 0; channel + width <= l.n_channels; channel += width) {
    const pair found = compute(&l, n_halves, weights, channels, base + channel, offsets);
    store(first + channel, n_halves, found.first);
    store(second + channel, n_halves, found.second);
    weights += weights_of_block;
    channels += 3 * width;
  }
  if (has_rest) {
    store(first + begin_of_last, n_halves, last.first);
    store(second + begin_of_last, n_halves, last.second);
  }
}

typedef void pixels_function(const layer *l, const int8_t *base, const ptrdiff_t *offsets,
                             int8_t *first, int8_t *second);

static __attribute__((noinline)) void wide(const layer *l, const int8_t *base,
                                           const ptrdiff_t *offsets, int8_t *first,
                                           int8_t *second) {
  compute_pixels(l, 2, base, offsets, first, second);
}

static __attribute__((noinline)) void narrow(const layer *l, const int8_t *base,
                                             const ptrdiff_t *offsets, int8_t *first,
                                             int8_t *second) {
  compute_pixels(l, 1, base, offsets, first, second);
}

/* Copies a pixel of 8 channels or more. The last step overlaps the one before. */
INLINE void copy_pixel(int8_t *to, const int8_t *from, int32_t n_channels) {
  if (n_channels < 16) {
    const int8x8_t last = vld1_s8(from + n_channels - 8);
    vst1_s8(to, vld1_s8(from));
    vst1_s8(to + n_channels - 8, last);
    return;
  }
  for (int32_t channel = 0; channel < n_channels - 16; channel += 16) {
    vst1q_s8(to + channel, vld1q_s8(from + channel));
    /* Keeps the compiler from unrolling a loop that mostly runs for a few rounds. */
    __asm__ volatile("");
  }
  vst1q_s8(to + n_channels - 16, vld1q_s8(from + n_channels - 16));
}

/* Where each tap of the windows at row y and column x lies from there; `outside` where it is not
 * in the image. */
static __attribute__((noinline)) void set_offsets(const anvil_depthwise_conv_2d_int8_parameters *p,
                                                  int32_t y, int32_t x, ptrdiff_t outside,
                                                  ptrdiff_t *offsets) {
  for (int32_t row = 0; row < ROWS; ++row) {
    for (int32_t column = 0; column < COLUMNS; ++column) {
      const int is_inside =
          y + row >= 0 && y + row < p->input_h && x + column >= 0 && x + column < p->input_w;
      *offsets++ = is_inside ? (ptrdiff_t)(row * p->input_w + column) * p->input_channels : outside;
    }
  }
}

void anvil_depthwise_conv_2d_int8_3x3__dotprod(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *channels, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = *parameters;
  const layer l = {weights, channels, p.input_channels,
                   anvil_output_range_of(p.output_zero_point, p.output_min, p.output_max)};
  pixels_function *const compute_both = p.input_channels >= 16 ? wide : narrow;
  ptrdiff_t *const inside = scratch;
  ptrdiff_t *const at_border = inside + ROWS * COLUMNS;
  int8_t *const zero = (int8_t *)(at_border + ROWS * COLUMNS);
  int8_t *const second = zero + p.input_channels;

  for (int32_t i = 0; i < p.input_channels; ++i) {
    zero[i] = (int8_t)p.input_zero_point;
  }
  set_offsets(&p, 0, 0, 0, inside); /* taps beyond a small image: no window then lies inside */
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const int is_row_inside = y >= 0 && y + ROWS <= p.input_h;
      int32_t x = -p.pad_left;
      /* A number, since the window may begin before the image. */
      intptr_t base = (intptr_t)input + (intptr_t)(y * p.input_w + x) * p.input_channels;
      for (int32_t out_x = 0; out_x < p.output_w; out_x += 2) {
        const ptrdiff_t *offsets = inside;
        if (!is_row_inside || x < 0 || x + COLUMNS > p.input_w) {
          set_offsets(&p, y, x, (intptr_t)zero - base, at_border);
          offsets = at_border;
        }
        compute_both(&l, (const int8_t *)base, offsets, output, second);
        output += p.input_channels;
        if (out_x + 1 < p.output_w) {
          copy_pixel(output, second, p.input_channels);
          output += p.input_channels;
        }
        x += 2;
        base += 2 * (intptr_t)p.input_channels;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
