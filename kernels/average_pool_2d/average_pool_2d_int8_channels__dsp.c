#include <arm_acle.h>

#include "average_pool_2d/average_pool_2d__dsp.h"
#include "common/requantize.h"
#include "common/window.h"

/* The pixels of a window that lie inside of the image. */
typedef struct {
  const int8_t *first;
  int32_t n_rows;
  int32_t n_columns;
  int32_t row; /* bytes */
  int32_t pixel;
} window;

static int8_t mean(int32_t sum, int32_t count, const anvil_average_pool_2d_int8_parameters *p) {
  /* Division truncates, so that this rounds halves away from zero. */
  const int32_t rounded = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
  return (int8_t)anvil_clamp(rounded, p->output_min, p->output_max);
}

/* The sums of four channels, in halves of two words: 0 and 2, 1 and 3. 255 bytes fit. */
static void add_four(const window *w, int32_t channel, int16x2_t *even, int16x2_t *odd) {
  int16x2_t sums02 = 0;
  int16x2_t sums13 = 0;
  const int8_t *row = w->first + channel;
  for (int32_t y = w->n_rows; y > 0; --y) {
    const int8_t *pixel = row;
    for (int32_t x = w->n_columns; x > 0; --x) {
      uint32_t bytes;
      __builtin_memcpy(&bytes, pixel, sizeof bytes);
      sums02 = __sxtab16(sums02, (int8x4_t)bytes);
      sums13 = __sxtab16(sums13, (int8x4_t)__ror(bytes, 8));
      pixel += w->pixel;
    }
    row += w->row;
  }
  *even = sums02;
  *odd = sums13;
}

static int32_t add_one(const window *w, int32_t channel) {
  int32_t sum = 0;
  for (int32_t y = 0; y < w->n_rows; ++y) {
    for (int32_t x = 0; x < w->n_columns; ++x) {
      sum += w->first[y * w->row + x * w->pixel + channel];
    }
  }
  return sum;
}

void anvil_average_pool_2d_int8_channels__dsp(
    const anvil_average_pool_2d_int8_parameters *parameters, const int8_t *input, int8_t *output) {
  const anvil_average_pool_2d_int8_parameters p = *parameters;
  const int32_t row = p.input_w * p.channels;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, 1);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, 1);
        const window w = {input + (y + rows.begin) * row + (x + columns.begin) * p.channels,
                          rows.end - rows.begin, columns.end - columns.begin, row, p.channels};
        const int32_t count = w.n_rows * w.n_columns;
        int32_t channel = 0;
        for (; channel + 4 <= p.channels; channel += 4) {
          int16x2_t even;
          int16x2_t odd;
          add_four(&w, channel, &even, &odd);
          for (int32_t half = 0; half < 2; ++half) {
            *output++ = mean((int16_t)even, count, &p);
            *output++ = mean((int16_t)odd, count, &p);
            even >>= 16;
            odd >>= 16;
          }
        }
        for (; channel < p.channels; ++channel) {
          *output++ = mean(add_one(&w, channel), count, &p);
        }
      }
    }
    input += p.input_h * row;
  }
}
