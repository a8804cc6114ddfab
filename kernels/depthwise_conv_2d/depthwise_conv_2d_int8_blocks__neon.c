#include <arm_neon.h>
#include <stddef.h>

#include "common/narrow__neon.h"
#include "depthwise_conv_2d/depthwise_conv_2d__neon.h"

#define INLINE static inline __attribute__((always_inline))

/* What all pixels of a call share. */
typedef struct {
  const int8_t *weights;
  const int32_t *channels;
  int32_t n_taps; /* even: one with weight 0 fills up */
  int32_t n_channels;
  anvil_output_range range;
} layer;

/* Adds two taps' products to the sums of 8 * n_halves channels. Both fit in 16 bits together, as
 * the layout has proved. */
INLINE void add_two_taps(int32x4_t *sums, int n_halves, const int8_t *weights, const int8_t *first,
                         const int8_t *second) {
  if (n_halves == 2) {
    const int8x16_t weights0 = vld1q_s8(weights);
    const int8x16_t weights1 = vld1q_s8(weights + 16);
    const int8x16_t values0 = vld1q_s8(first);
    const int8x16_t values1 = vld1q_s8(second);
    int16x8_t low = vmull_s8(vget_low_s8(weights0), vget_low_s8(values0));
    low = vmlal_s8(low, vget_low_s8(weights1), vget_low_s8(values1));
    int16x8_t high = vmull_high_s8(weights0, values0);
    high = vmlal_high_s8(high, weights1, values1);
    sums[0] = vaddw_s16(sums[0], vget_low_s16(low));
    sums[1] = vaddw_high_s16(sums[1], low);
    sums[2] = vaddw_s16(sums[2], vget_low_s16(high));
    sums[3] = vaddw_high_s16(sums[3], high);
  } else {
    int16x8_t products = vmull_s8(vld1_s8(weights), vld1_s8(first));
    products = vmlal_s8(products, vld1_s8(weights + 8), vld1_s8(second));
    sums[0] = vaddw_s16(sums[0], vget_low_s16(products));
    sums[1] = vaddw_high_s16(sums[1], products);
  }
}

/* A block of one pixel: 8 * n_halves channels from `base` on. The compiler knows n_halves, and
 * n_taps where that is common; 0 stands for what the layer has. offsets: of each tap's pixel from
 * `base`. */
INLINE int8x16_t compute(const layer *l, int n_halves, int32_t n_taps, const int8_t *weights,
                         const int32_t *channels, const int8_t *base, const ptrdiff_t *offsets) {
  const int32_t width = 8 * n_halves;
  int32x4_t sums[4];
  for (int i = 0; i < 2 * n_halves; ++i) {
    sums[i] = vld1q_s32(channels + 4 * i);
  }
  /* Keeps it one register, to which loads add each offset themselves. */
  __asm__("" : "+r"(base));
  if (n_taps != 0) {
#pragma GCC unroll 8
    for (int32_t tap = 0; tap < n_taps; tap += 2) {
      add_two_taps(sums, n_halves, weights + tap * width, base + offsets[tap],
                   base + offsets[tap + 1]);
    }
  } else {
    for (int32_t rest = l->n_taps; rest > 0; rest -= 2) {
      add_two_taps(sums, n_halves, weights, base + offsets[0], base + offsets[1]);
      weights += 2 * width;
      offsets += 2;
      /* Keeps the compiler from counting both from their beginnings. */
      __asm__("" : "+r"(weights), "+r"(offsets));
    }
  }
  const anvil_channel_scales scales =
      anvil_channel_scales_of(2 * n_halves, channels + width, channels + 2 * width);
  if (n_halves == 2) {
    return anvil_narrow16(sums, &scales, l->range);
  }
  const int8x8_t half = anvil_narrow8(sums, &scales, l->range);
  return vcombine_s8(half, half);
}

INLINE void store(int8_t *output, int n_halves, int8x16_t values) {
  if (n_halves == 2) {
    vst1q_s8(output, values);
  } else {
    vst1_s8(output, vget_low_s8(values));
  }
}

/* All channels of one pixel. */
INLINE void compute_pixel(const layer *given, int n_halves, int32_t n_taps, const int8_t *base,
                          const ptrdiff_t *offsets, int8_t *output) {
  const layer l = *given; /* to the compiler, what is stored may lie over the one given */
  const int32_t width = 8 * n_halves;
  const int32_t weights_of_block = (n_taps != 0 ? n_taps : l.n_taps) * width;
  const int32_t n_blocks = l.n_channels / width;
  const int32_t rest = l.n_channels - n_blocks * width;
  /* The last block overlaps the one before, and the output may lie over the input: it is read
   * before anything is stored. */
  int8x16_t last = vdupq_n_s8(0);
  if (rest != 0) {
    last = compute(&l, n_halves, n_taps, l.weights + n_blocks * weights_of_block,
                   l.channels + n_blocks * 3 * width, base + l.n_channels - width, offsets);
  }
  const int8_t *weights = l.weights;
  const int32_t *channels = l.channels;
  int8_t *to = output;
  for (int32_t block = 0; block < n_blocks; ++block) {
    store(to, n_halves, compute(&l, n_halves, n_taps, weights, channels, base, offsets));
    base += width;
    to += width;
    weights += weights_of_block;
    channels += 3 * width;
  }
  if (rest != 0) {
    store(output + l.n_channels - width, n_halves, last);
  }
}

typedef void pixel_function(const layer *l, const int8_t *base, const ptrdiff_t *offsets,
                            int8_t *output);

static __attribute__((noinline)) void wide_3x3(const layer *l, const int8_t *base,
                                               const ptrdiff_t *offsets, int8_t *output) {
  compute_pixel(l, 2, 10, base, offsets, output);
}

static __attribute__((noinline)) void wide(const layer *l, const int8_t *base,
                                           const ptrdiff_t *offsets, int8_t *output) {
  compute_pixel(l, 2, 0, base, offsets, output);
}

static __attribute__((noinline)) void narrow_3x3(const layer *l, const int8_t *base,
                                                 const ptrdiff_t *offsets, int8_t *output) {
  compute_pixel(l, 1, 10, base, offsets, output);
}

static __attribute__((noinline)) void narrow(const layer *l, const int8_t *base,
                                             const ptrdiff_t *offsets, int8_t *output) {
  compute_pixel(l, 1, 0, base, offsets, output);
}

/* Where each tap of the window at row y and column x lies from there; `outside` where it is not
 * in the image. The tap that fills up lies where the last one does. */
static void set_offsets(const anvil_depthwise_conv_2d_int8_parameters *p, int32_t y, int32_t x,
                        ptrdiff_t outside, ptrdiff_t *offsets) {
  int32_t n = 0;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
    const int32_t row = tap_y * p->dilation_h;
    for (int32_t tap_x = 0; tap_x < p->filter_w; ++tap_x) {
      const int32_t column = tap_x * p->dilation_w;
      const int is_inside =
          y + row >= 0 && y + row < p->input_h && x + column >= 0 && x + column < p->input_w;
      offsets[n++] =
          is_inside ? (ptrdiff_t)(row * p->input_w + column) * p->input_channels : outside;
    }
  }
  if (n % 2 != 0) {
    offsets[n] = offsets[n - 1];
  }
}

void anvil_depthwise_conv_2d_int8_blocks__neon(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *channels, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = *parameters;
  const int32_t n_taps = (p.filter_h * p.filter_w + 1) / 2 * 2;
  const layer l = {weights, channels, n_taps, p.input_channels,
                   anvil_output_range_of(p.output_zero_point, p.output_min, p.output_max)};
  const int is_3x3 = n_taps == 10;
  pixel_function *const compute_all =
      p.input_channels >= 16 ? (is_3x3 ? wide_3x3 : wide) : (is_3x3 ? narrow_3x3 : narrow);
  ptrdiff_t *const inside = scratch;
  ptrdiff_t *const at_border = inside + n_taps;
  int8_t *const zero = (int8_t *)(at_border + n_taps);
  const int32_t reach_y = (p.filter_h - 1) * p.dilation_h;
  const int32_t reach_x = (p.filter_w - 1) * p.dilation_w;

  for (int32_t i = 0; i < p.input_channels; ++i) {
    zero[i] = (int8_t)p.input_zero_point;
  }
  set_offsets(&p, 0, 0, 0, inside); /* taps beyond a small image: no window then lies inside */
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const int is_row_inside = y >= 0 && y + reach_y < p.input_h;
      int32_t x = -p.pad_left;
      /* A number, since the window may begin before the image. */
      intptr_t base = (intptr_t)input + (intptr_t)(y * p.input_w + x) * p.input_channels;
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const ptrdiff_t *offsets = inside;
        if (!is_row_inside || x < 0 || x + reach_x >= p.input_w) {
          set_offsets(&p, y, x, (intptr_t)zero - base, at_border);
          offsets = at_border;
        }
        compute_all(&l, (const int8_t *)base, offsets, output);
        output += p.input_channels;
        x += p.stride_w;
        base += (intptr_t)p.stride_w * p.input_channels;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
