#include <arm_mve.h>

#include "average_pool_2d/average_pool_2d__mve.h"
#include "common/requantize.h"
#include "common/window.h"

enum { LANES = 8 };

/* The pixels of a window that lie inside of the image, from one channel on. */
typedef struct {
  const int8_t *first;
  int32_t n_rows;
  int32_t n_columns;
  int32_t row; /* bytes */
  int32_t pixel;
} window;

/* Sums of up to 16 channels. A halfword has room for 255 bytes. */
static inline __attribute__((always_inline)) void add_channels(const window *w, int32_t n_channels,
                                                               int16_t *sums) {
  const int32_t n_high = n_channels > LANES ? n_channels - LANES : 0;
  const mve_pred16_t low_inside = vctp16q((uint32_t)n_channels);
  const mve_pred16_t high_inside = vctp16q((uint32_t)n_high);
  int16x8_t low = vdupq_n_s16(0);
  int16x8_t high = vdupq_n_s16(0);
  const int8_t *row = w->first;
  for (int32_t y = w->n_rows; y > 0; --y) {
    const int8_t *pixel = row;
    for (int32_t x = w->n_columns; x > 0; --x) {
      low = vaddq_s16(low, vldrbq_z_s16(pixel, low_inside));
      high = vaddq_s16(high, vldrbq_z_s16(pixel + LANES, high_inside));
      pixel += w->pixel;
    }
    row += w->row;
  }
  vstrhq_s16(sums, low);
  vstrhq_s16(sums + LANES, high);
}

void anvil_average_pool_2d_int8_lanes__mve(const anvil_average_pool_2d_int8_parameters *parameters,
                                           const int8_t *input, int8_t *output) {
  const anvil_average_pool_2d_int8_parameters p = *parameters;
  const int32_t row = p.input_w * p.channels;
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, 1);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, 1);
        window w = {input + (y + rows.begin) * row + (x + columns.begin) * p.channels,
                    rows.end - rows.begin, columns.end - columns.begin, row, p.channels};
        const int32_t count = w.n_rows * w.n_columns;
        for (int32_t left = p.channels; left > 0; left -= 2 * LANES) {
          int16_t sums[2 * LANES];
          const int32_t n = left < 2 * LANES ? left : 2 * LANES;
          add_channels(&w, n, sums);
          for (int32_t i = 0; i < n; ++i) {
            /* Division truncates, so that this rounds halves away from zero. */
            const int32_t half = sums[i] > 0 ? count / 2 : -(count / 2);
            *output++ = (int8_t)anvil_clamp((sums[i] + half) / count, p.output_min, p.output_max);
          }
          w.first += 2 * LANES;
        }
      }
    }
    input += p.input_h * row;
  }
}
