#include <arm_neon.h>

#include "common/narrow__neon.h"
#include "common/patch__neon.h"
#include "conv_2d/conv_2d__neon.h"

/* Windows that lie in scratch side by side, so that each weight is loaded once for all. */
#define PIXELS 4

/* What all blocks of a call share. */
typedef struct {
  const int8_t *weights;
  const int32_t *channels;
  int32_t window_bytes;
  int32_t output_channels;
  anvil_output_range range;
} layer;

#define INLINE static inline __attribute__((always_inline))

/* Adds the products of four taps to the sums of 8 * n_vectors channels. A vector of weights has
 * two taps of eight channels. Two products of one lane stay within 16 bits, as the layout has
 * proved; SADALP then adds both lanes of a channel to its sum. */
INLINE void add_four_taps(int32x4_t *sums, const int8x16_t *weights, int n_vectors, int16x8_t first,
                          int16x8_t second) {
  const int8x16_t taps01 = vreinterpretq_s8_s16(first);
  const int8x16_t taps23 = vreinterpretq_s8_s16(second);
  for (int v = 0; v < n_vectors; ++v) {
    const int8x16_t weights01 = weights[v];
    const int8x16_t weights23 = weights[n_vectors + v];
    int16x8_t low = vmull_s8(vget_low_s8(weights01), vget_low_s8(taps01));
    low = vmlal_s8(low, vget_low_s8(weights23), vget_low_s8(taps23));
    sums[2 * v] = vpadalq_s16(sums[2 * v], low);
    int16x8_t high = vmull_high_s8(weights01, taps01);
    high = vmlal_high_s8(high, weights23, taps23);
    sums[2 * v + 1] = vpadalq_s16(sums[2 * v + 1], high);
    __asm__ volatile("" : "+w"(sums[2 * v]), "+w"(sums[2 * v + 1]));
  }
}

/* A block of 8 * n_vectors output channels of n pixels; the compiler knows both numbers. */
INLINE void compute(int n, int n_vectors, const layer *l, const int8_t *windows,
                    const int8_t *weights, const int32_t *channels, int8_t *output) {
  const int32_t window_bytes = l->window_bytes;
  int32x4_t sums[PIXELS][4];
#pragma GCC unroll 4
  for (int i = 0; i < n; ++i) {
    for (int v = 0; v < 2 * n_vectors; ++v) {
      sums[i][v] = vld1q_s32(channels + 4 * v);
    }
  }
  const int16_t *next[PIXELS];
#pragma GCC unroll 4
  for (int i = 0; i < n; ++i) {
    next[i] = (const int16_t *)(windows + i * window_bytes);
    /* Hides that the distances are known, which the compiler would add again at each step. */
    __asm__("" : "+r"(next[i]));
  }
  for (int32_t steps = window_bytes / 8; steps > 0; --steps) {
    int8x16_t loaded[8];
    for (int v = 0; v < 4 * n_vectors; ++v) {
      loaded[v] = vld1q_s8(weights + 16 * v);
    }
    weights += 64 * n_vectors;
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) {
      const int16x8x4_t taps = vld4q_dup_s16(next[i]);
      next[i] += 4;
      add_four_taps(sums[i], loaded, n_vectors, taps.val[0], taps.val[1]);
      add_four_taps(sums[i], loaded + 2 * n_vectors, n_vectors, taps.val[2], taps.val[3]);
    }
  }
  if (window_bytes % 8 != 0) {
    int8x16_t loaded[4];
    for (int v = 0; v < 2 * n_vectors; ++v) {
      loaded[v] = vld1q_s8(weights + 16 * v);
    }
#pragma GCC unroll 4
    for (int i = 0; i < n; ++i) {
      const int16x8x2_t taps = vld2q_dup_s16(next[i]);
      add_four_taps(sums[i], loaded, n_vectors, taps.val[0], taps.val[1]);
    }
  }
  /* Before anything is stored, since to the compiler bytes may be anything's. */
  const anvil_channel_scales scales =
      anvil_channel_scales_of(2 * n_vectors, channels + 8 * n_vectors, channels + 16 * n_vectors);
  const anvil_output_range range = l->range;
  const int32_t output_channels = l->output_channels;
#pragma GCC unroll 4
  for (int i = 0; i < n; ++i) {
    if (n_vectors == 2) {
      vst1q_s8(output, anvil_narrow16(sums[i], &scales, range));
    } else {
      const int8x8_t narrowed = anvil_narrow8(sums[i], &scales, range);
      if (output_channels >= 8) {
        vst1_s8(output, narrowed);
      } else {
        int8_t values[8];
        vst1_s8(values, narrowed);
        anvil_copy(output, values, output_channels);
      }
    }
    output += output_channels;
  }
}

/* One function for each size of block, so that each has all registers for itself. */
static __attribute__((noinline)) void compute_4x16(const layer *l, const int8_t *windows,
                                                   const int8_t *weights, const int32_t *channels,
                                                   int8_t *output) {
  compute(4, 2, l, windows, weights, channels, output);
}

static __attribute__((noinline)) void compute_4x8(const layer *l, const int8_t *windows,
                                                  const int8_t *weights, const int32_t *channels,
                                                  int8_t *output) {
  compute(4, 1, l, windows, weights, channels, output);
}

static __attribute__((noinline)) void compute_1x16(const layer *l, const int8_t *windows,
                                                   const int8_t *weights, const int32_t *channels,
                                                   int8_t *output) {
  compute(1, 2, l, windows, weights, channels, output);
}

static __attribute__((noinline)) void compute_1x8(const layer *l, const int8_t *windows,
                                                  const int8_t *weights, const int32_t *channels,
                                                  int8_t *output) {
  compute(1, 1, l, windows, weights, channels, output);
}

typedef void computation(const layer *l, const int8_t *windows, const int8_t *weights,
                         const int32_t *channels, int8_t *output);

/* All channels of the pixels whose windows are given. */
static void compute_channels(const layer *l, const int8_t *windows, computation *compute16,
                             computation *compute8, int8_t *output) {
  const int8_t *weights = l->weights;
  const int32_t *channels = l->channels;
  int32_t channel = 0;
  for (; channel + 16 <= l->output_channels; channel += 16) {
    compute16(l, windows, weights, channels, output + channel);
    weights += 16 * l->window_bytes;
    channels += 48;
  }
  /* The last block of 8 ends where the channels do, and repeats some of those before. */
  const int32_t last = l->output_channels < 8 ? 0 : l->output_channels - 8;
  for (; channel < l->output_channels; channel += 8) {
    compute8(l, windows, weights, channels, output + (channel < last ? channel : last));
    weights += 8 * l->window_bytes;
    channels += 24;
  }
}

/* The last pixels, fewer than PIXELS. */
static void compute_rest(const layer *l, const int8_t *windows, int32_t n, int8_t *output) {
  for (int32_t i = 0; i < n; ++i) {
    compute_channels(l, windows + i * l->window_bytes, compute_1x16, compute_1x8, output);
    output += l->output_channels;
  }
}

void anvil_conv_2d_int8_blocks__neon(const anvil_conv_2d_int8_parameters *parameters,
                                     const int8_t *input, const int8_t *weights,
                                     const int32_t *channels, int8_t *output, void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const anvil_image image = {
      p.input_h,  p.input_w,    p.input_channels, p.filter_h,
      p.filter_w, p.dilation_h, p.dilation_w,     (int8_t)p.input_zero_point};
  const layer l = {weights, channels, (p.filter_h * p.filter_w * p.filter_channels + 3) / 4 * 4,
                   p.output_channels,
                   anvil_output_range_of(p.output_zero_point, p.output_min, p.output_max)};
  int8_t *const windows = scratch;
  int32_t n = 0;

  if (p.filter_h * p.filter_w == 1 && p.stride_h * p.stride_w == 1 && p.pad_top + p.pad_left == 0 &&
      p.input_h == p.output_h && p.input_w == p.output_w && p.input_channels % 4 == 0) {
    /* Each window is a pixel, and those of neighbours lie side by side already. They are copied
     * all the same: the output may lie over the input. */
    const int32_t n_pixels = p.batches * p.output_h * p.output_w;
    for (int32_t pixel = 0; pixel + PIXELS <= n_pixels; pixel += PIXELS) {
      anvil_copy(windows, input, PIXELS * p.input_channels);
      compute_channels(&l, windows, compute_4x16, compute_4x8, output);
      input += PIXELS * p.input_channels;
      output += PIXELS * p.output_channels;
    }
    n = n_pixels % PIXELS;
    anvil_copy(windows, input, n * p.input_channels);
    compute_rest(&l, windows, n, output);
    return;
  }
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        anvil_copy_window(&image, input, out_y * p.stride_h - p.pad_top,
                          out_x * p.stride_w - p.pad_left, windows + n * l.window_bytes);
        if (++n == PIXELS) {
          compute_channels(&l, windows, compute_4x16, compute_4x8, output);
          output += PIXELS * p.output_channels;
          n = 0;
        }
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
  compute_rest(&l, windows, n, output);
}
