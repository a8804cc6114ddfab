/* The way through a convolution in blocks, for AArch64: four windows at a time lie in scratch side
 * by side, so that each weight is loaded once for all. The kernels bring the blocks. */
#ifndef ANVIL_CONV_2D_BLOCKS_NEON_H
#define ANVIL_CONV_2D_BLOCKS_NEON_H

#include "common/narrow__neon.h"
#include "common/patch__neon.h"
#include "conv_2d/conv_2d.h"

#define ANVIL_PIXELS 4

/* What all blocks of a call share. */
typedef struct {
  const int8_t *weights;
  const int32_t *channels;
  int32_t window_bytes;
  int32_t output_channels;
  anvil_output_range range;
} anvil_blocks_layer;

/* Some channels of one pixel or of ANVIL_PIXELS. */
typedef void anvil_block(const anvil_blocks_layer *l, const int8_t *windows, const int8_t *weights,
                         const int32_t *channels, int8_t *output);

/* The function `name` of n pixels by 8 * n_vectors channels: `compute` of the source that this
 * stands in, which is inlined, with both numbers known. A function for each size of block, so that
 * each has all registers for itself. */
#define ANVIL_BLOCK_FUNCTION(name, n, n_vectors)                                                 \
  static __attribute__((noinline)) void name(const anvil_blocks_layer *l, const int8_t *windows, \
                                             const int8_t *weights, const int32_t *channels,     \
                                             int8_t *output) {                                   \
    compute(n, n_vectors, l, windows, weights, channels, output);                                \
  }

/* Of how many pixels and channels each computes. */
typedef struct {
  anvil_block *of_4x16;
  anvil_block *of_4x8;
  anvil_block *of_1x16;
  anvil_block *of_1x8;
} anvil_block_functions;

/* Rescales the sums of n pixels by 8 * n_vectors channels, whose biases `channels` begins with,
 * and stores them; the compiler knows both numbers. */
static inline __attribute__((always_inline)) void anvil_store_blocks(int n, int n_vectors,
                                                                     const anvil_blocks_layer *l,
                                                                     int32x4_t (*sums)[4],
                                                                     const int32_t *channels,
                                                                     int8_t *output) {
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

/* All channels of the pixels whose windows are given. */
static inline __attribute__((always_inline)) void anvil_compute_channels(
    const anvil_blocks_layer *l, const int8_t *windows, anvil_block *compute16,
    anvil_block *compute8, int8_t *output) {
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

/* The last pixels, fewer than ANVIL_PIXELS. */
static inline __attribute__((always_inline)) void anvil_compute_rest(const anvil_blocks_layer *l,
                                                                     anvil_block_functions f,
                                                                     const int8_t *windows,
                                                                     int32_t n, int8_t *output) {
  for (int32_t i = 0; i < n; ++i) {
    anvil_compute_channels(l, windows + i * l->window_bytes, f.of_1x16, f.of_1x8, output);
    output += l->output_channels;
  }
}

static inline __attribute__((always_inline)) void anvil_convolve_blocks(
    const anvil_conv_2d_int8_parameters *parameters, anvil_block_functions f, const int8_t *input,
    const int8_t *weights, const int32_t *channels, int8_t *output, void *scratch) {
  const anvil_conv_2d_int8_parameters p = *parameters;
  const anvil_image image = {
      p.input_h,  p.input_w,    p.input_channels, p.filter_h,
      p.filter_w, p.dilation_h, p.dilation_w,     (int8_t)p.input_zero_point};
  const anvil_blocks_layer l = {
      weights, channels, (p.filter_h * p.filter_w * p.filter_channels + 3) / 4 * 4,
      p.output_channels, anvil_output_range_of(p.output_zero_point, p.output_min, p.output_max)};
  int8_t *const windows = scratch;
  int32_t n = 0;

  if (p.filter_h * p.filter_w == 1 && p.stride_h * p.stride_w == 1 && p.pad_top + p.pad_left == 0 &&
      p.input_h == p.output_h && p.input_w == p.output_w && p.input_channels % 4 == 0) {
    /* Each window is a pixel, and those of neighbours lie side by side already. They are copied
     * all the same: the output may lie over the input. */
    const int32_t n_pixels = p.batches * p.output_h * p.output_w;
    for (int32_t pixel = 0; pixel + ANVIL_PIXELS <= n_pixels; pixel += ANVIL_PIXELS) {
      anvil_copy(windows, input, ANVIL_PIXELS * p.input_channels);
      anvil_compute_channels(&l, windows, f.of_4x16, f.of_4x8, output);
      input += ANVIL_PIXELS * p.input_channels;
      output += ANVIL_PIXELS * p.output_channels;
    }
    n = n_pixels % ANVIL_PIXELS;
    anvil_copy(windows, input, n * p.input_channels);
    anvil_compute_rest(&l, f, windows, n, output);
    return;
  }
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        anvil_copy_window(&image, input, out_y * p.stride_h - p.pad_top,
                          out_x * p.stride_w - p.pad_left, windows + n * l.window_bytes);
        if (++n == ANVIL_PIXELS) {
          anvil_compute_channels(&l, windows, f.of_4x16, f.of_4x8, output);
          output += ANVIL_PIXELS * p.output_channels;
          n = 0;
        }
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
  anvil_compute_rest(&l, f, windows, n, output);
}

#endif
