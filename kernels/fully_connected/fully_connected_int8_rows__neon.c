#include <arm_neon.h>

#include "fully_connected/fully_connected__neon.h"

#define UNITS 8
#define STEP 16

/* Adds the products of 16 inputs to each unit's sums. Two products of a lane stay within 16
 * bits, as the layout has proved. */
static inline __attribute__((always_inline)) void add_step(int32x4_t *sums, int8x16_t values,
                                                           const int8_t *weights) {
#pragma GCC unroll 8
  for (int unit = 0; unit < UNITS; ++unit) {
    const int8x16_t row = vld1q_s8(weights + STEP * unit);
    int16x8_t products = vmull_s8(vget_low_s8(row), vget_low_s8(values));
    products = vmlal_high_s8(products, row, values);
    sums[unit] = vpadalq_s16(sums[unit], products);
  }
}

/* Four sums times their scales, in double as TFLite does it: rounded once, halves away from
 * zero. The results fit, or the model would have been refused. */
static inline int32x4_t rescale(int32x4_t sums, const int64_t *scales) {
  const float64x2_t low = vcvtq_f64_s64(vmovl_s32(vget_low_s32(sums)));
  const float64x2_t high = vcvtq_f64_s64(vmovl_high_s32(sums));
  const float64x2_t scale_low = vreinterpretq_f64_s64(vld1q_s64(scales));
  const float64x2_t scale_high = vreinterpretq_f64_s64(vld1q_s64(scales + 2));
  const int64x2_t rounded_low = vcvtaq_s64_f64(vmulq_f64(low, scale_low));
  const int64x2_t rounded_high = vcvtaq_s64_f64(vmulq_f64(high, scale_high));
  return vmovn_high_s64(vmovn_s64(rounded_low), rounded_high);
}

static inline int32x4_t totals(const int32x4_t *sums) {
  return vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
}

/* 8 units of one row of inputs; `tail` holds those beyond the whole steps, and zeros. */
static int8x8_t compute(const anvil_fully_connected_int8_parameters *p, const int8_t *input,
                        int8x16_t tail, const int8_t *weights, const int32_t *bias,
                        const int64_t *scales) {
  int32x4_t sums[UNITS];
#pragma GCC unroll 8
  for (int unit = 0; unit < UNITS; ++unit) {
    sums[unit] = vdupq_n_s32(0);
  }
  int32_t i = 0;
  for (; i + STEP <= p->depth; i += STEP) {
    add_step(sums, vld1q_s8(input + i), weights);
    weights += STEP * UNITS;
  }
  if (i < p->depth) {
    add_step(sums, tail, weights);
  }
  const int32x4_t low = rescale(vaddq_s32(totals(sums), vld1q_s32(bias)), scales);
  const int32x4_t high = rescale(vaddq_s32(totals(sums + 4), vld1q_s32(bias + 4)), scales + 4);
  const int32x4_t zero_point = vdupq_n_s32(p->output_zero_point);
  /* Wraps around as TFLite's addition does; then saturates, which the bounds would do. */
  const int16x8_t words =
      vqmovn_high_s32(vqmovn_s32(vaddq_s32(low, zero_point)), vaddq_s32(high, zero_point));
  const int8x8_t least = vdup_n_s8((int8_t)p->output_min);
  const int8x8_t greatest = vdup_n_s8((int8_t)p->output_max);
  return vmin_s8(vmax_s8(vqmovn_s16(words), least), greatest);
}

void anvil_fully_connected_int8_rows__neon(const anvil_fully_connected_int8_parameters *parameters,
                                           const int8_t *input, const int8_t *weights,
                                           const int32_t *bias, const int64_t *scales,
                                           int8_t *output) {
  const anvil_fully_connected_int8_parameters p = *parameters;
  const int32_t n_steps = (p.depth + STEP - 1) / STEP;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    int8_t values[STEP] = {0};
    for (int32_t i = p.depth / STEP * STEP; i < p.depth; ++i) {
      values[i % STEP] = input[i];
    }
    const int8x16_t tail = vld1q_s8(values);
    for (int32_t unit = 0; unit < p.units; unit += UNITS) {
      const int8x8_t outputs =
          compute(&p, input, tail, weights + unit * n_steps * STEP, bias + unit, scales + unit);
      if (unit + UNITS <= p.units) {
        vst1_s8(output + unit, outputs);
      } else {
        int8_t last[UNITS];
        vst1_s8(last, outputs);
        for (int32_t i = 0; unit + i < p.units; ++i) {
          output[unit + i] = last[i];
        }
      }
    }
    input += p.depth;
    output += p.units;
  }
}
