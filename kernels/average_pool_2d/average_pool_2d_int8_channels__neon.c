#include <arm_neon.h>

#include "average_pool_2d/average_pool_2d__neon.h"
#include "common/window.h"

/* Sums / count, halves away from zero. Both are below 2^16, so that the quotient of floats, cut
 * off, is that of the integers. */
static inline int16x4_t mean4(int32x4_t sums, int32_t count) {
  const int32x4_t half = vdupq_n_s32(count / 2);
  const uint32x4_t is_positive = vcgtzq_s32(sums);
  const int32x4_t raised = vbslq_s32(is_positive, vaddq_s32(sums, half), vsubq_s32(sums, half));
  const float32x4_t quotient = vdivq_f32(vcvtq_f32_s32(raised), vdupq_n_f32((float)count));
  return vmovn_s32(vcvtq_s32_f32(quotient));
}

/* 16 channels of the pixels from `first` on: n_rows rows of n_columns, whose starts are `row`
 * and `pixel` bytes apart. 16 bits hold the sums of 256 pixels. */
static int8x16_t mean16(const int8_t *first, int32_t n_rows, int32_t row, int32_t n_columns,
                        int32_t pixel) {
  int16x8_t low = vdupq_n_s16(0);
  int16x8_t high = vdupq_n_s16(0);
  for (int32_t y = 0; y < n_rows; ++y) {
    const int8_t *next = first + y * row;
    for (int32_t x = 0; x < n_columns; ++x) {
      const int8x16_t values = vld1q_s8(next);
      low = vaddw_s8(low, vget_low_s8(values));
      high = vaddw_high_s8(high, values);
      next += pixel;
    }
  }
  const int32_t count = n_rows * n_columns;
  const int16x8_t means_low =
      vcombine_s16(mean4(vmovl_s16(vget_low_s16(low)), count), mean4(vmovl_high_s16(low), count));
  const int16x8_t means_high =
      vcombine_s16(mean4(vmovl_s16(vget_low_s16(high)), count), mean4(vmovl_high_s16(high), count));
  return vmovn_high_s16(vmovn_s16(means_low), means_high);
}

void anvil_average_pool_2d_int8_channels__neon(
    const anvil_average_pool_2d_int8_parameters *parameters, const int8_t *input, int8_t *output) {
  const anvil_average_pool_2d_int8_parameters p = *parameters;
  const int32_t row = p.input_w * p.channels;
  const int8x16_t least = vdupq_n_s8((int8_t)p.output_min);
  const int8x16_t greatest = vdupq_n_s8((int8_t)p.output_max);

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, 1);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, 1);
        const int8_t *const first =
            input + (y + rows.begin) * row + (x + columns.begin) * p.channels;
        const int32_t n_rows = rows.end - rows.begin;
        const int32_t n_columns = columns.end - columns.begin;
        /* The last 16 channels overlap those before; the output may lie over the input, so that
         * they are read first. */
        const int32_t last = p.channels - 16;
        const int8x16_t means = mean16(first + last, n_rows, row, n_columns, p.channels);
        for (int32_t channel = 0; channel < last; channel += 16) {
          const int8x16_t values = mean16(first + channel, n_rows, row, n_columns, p.channels);
          vst1q_s8(output + channel, vminq_s8(vmaxq_s8(values, least), greatest));
        }
        vst1q_s8(output + last, vminq_s8(vmaxq_s8(means, least), greatest));
        output += p.channels;
      }
    }
    input += p.input_h * row;
  }
}
