#include "common/windows__dsp.h"

#include <arm_acle.h>

static int32_t first(int32_t word) {
  return (int16_t)word;
}

static int32_t second(int32_t word) {
  return (int16_t)(word >> 16);
}

/* One filter at one place; y and x, of the window's first tap, may lie outside of the image. What
 * lies inside of it in a row is one run of products. */
static int32_t sum_of(const anvil_dsp_windows *p, const int8_t *input, const int8_t *weights,
                      int32_t y, int32_t x, int32_t sum) {
  const int32_t depth = first(p->depth);
  const int32_t width = second(p->input_size);
  const int32_t filter_w = second(p->filter_size);
  const int32_t begin = x < 0 ? -x : 0;
  const int32_t end = width - x < filter_w ? width - x : filter_w;
  for (int32_t rows = first(p->filter_size); rows > 0; --rows) {
    if ((uint32_t)y < (uint32_t)first(p->input_size)) {
      const int8_t *value = input + (y * width + x + begin) * first(p->channels);
      const int8_t *const behind = weights + end * depth;
      for (const int8_t *weight = weights + begin * depth; weight < behind; ++weight) {
        sum += *weight * (*value - first(p->zero_points));
        value += second(p->depth);
      }
    }
    weights += filter_w * depth;
    ++y;
  }
  return sum;
}

void anvil_dsp_walk_windows(const anvil_dsp_windows *parameters, const int8_t *input,
                            const int32_t *stream, int8_t *output) {
  const anvil_dsp_windows *p = parameters;
  const int32_t n_channels = second(p->channels);
  const int32_t filter = first(p->filter_size) * second(p->filter_size) * first(p->depth);
  for (int32_t out_y = 0; out_y < first(p->output_size); ++out_y) {
    const int32_t y = out_y * first(p->stride) - first(p->padding);
    for (int32_t out_x = 0; out_x < second(p->output_size); ++out_x) {
      const int32_t x = out_x * second(p->stride) - second(p->padding);
      const int8_t *shift = (const int8_t *)(stream + 2 * n_channels);
      const int8_t *weights = shift + n_channels;
      for (int32_t channel = 0; channel < n_channels; ++channel) {
        const int32_t *scale = stream + 2 * channel;
        const int8_t *values = input + (second(p->depth) > 1 ? channel : 0);
        const int32_t sum = sum_of(p, values, weights, y, x, scale[0]);
        /* Both roundings of the reference: halves up, and then away from zero. */
        const int32_t high = (int32_t)(((int64_t)(2 * sum) * scale[1] + 0x80000000) >> 32);
        const int32_t half = (int32_t)((uint32_t)1 << shift[channel] >> 1);
        const int32_t scaled = (high + half + (high >> 31)) >> shift[channel];
        *output++ = (int8_t)__ssat(scaled + second(p->zero_points), 8);
        weights += filter;
      }
    }
  }
}
