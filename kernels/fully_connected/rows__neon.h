/* FULLY_CONNECTED for AArch64, 8 units at a time: their sums are of four lanes each. The kernels
 * bring what adds a step of 16 inputs. */
#ifndef ANVIL_FULLY_CONNECTED_ROWS_NEON_H
#define ANVIL_FULLY_CONNECTED_ROWS_NEON_H

#include <arm_neon.h>

#include "fully_connected/fully_connected.h"

#define ANVIL_UNITS 8
#define ANVIL_STEP 16

/* Adds the products of 16 inputs to each unit's lanes. */
typedef void anvil_step(int32x4_t *sums, int8x16_t values, const int8_t *weights);

/* Four sums times their scales, in double as TFLite does it: rounded once, halves away from
 * zero. The results fit, or the model would have been refused. */
static inline int32x4_t anvil_rescale_in_double(int32x4_t sums, const int64_t *scales) {
  const float64x2_t low = vcvtq_f64_s64(vmovl_s32(vget_low_s32(sums)));
  const float64x2_t high = vcvtq_f64_s64(vmovl_high_s32(sums));
  const float64x2_t scale_low = vreinterpretq_f64_s64(vld1q_s64(scales));
  const float64x2_t scale_high = vreinterpretq_f64_s64(vld1q_s64(scales + 2));
  const int64x2_t rounded_low = vcvtaq_s64_f64(vmulq_f64(low, scale_low));
  const int64x2_t rounded_high = vcvtaq_s64_f64(vmulq_f64(high, scale_high));
  return vmovn_high_s64(vmovn_s64(rounded_low), rounded_high);
}

static inline int32x4_t anvil_totals(const int32x4_t *sums) {
  return vpaddq_s32(vpaddq_s32(sums[0], sums[1]), vpaddq_s32(sums[2], sums[3]));
}

/* 8 units of one row of inputs; `tail` holds those beyond the whole steps, and zeros. */
static inline __attribute__((always_inline)) int8x8_t anvil_compute_units(
    const anvil_fully_connected_int8_parameters *p, anvil_step *add_step, const int8_t *input,
    int8x16_t tail, const int8_t *weights, const int32_t *bias, const int64_t *scales) {
  int32x4_t sums[ANVIL_UNITS];
#pragma GCC unroll 8
  for (int unit = 0; unit < ANVIL_UNITS; ++unit) {
    sums[unit] = vdupq_n_s32(0);
  }
  int32_t i = 0;
  for (; i + ANVIL_STEP <= p->depth; i += ANVIL_STEP) {
    add_step(sums, vld1q_s8(input + i), weights);
    weights += ANVIL_STEP * ANVIL_UNITS;
  }
  if (i < p->depth) {
    add_step(sums, tail, weights);
  }
  const int32x4_t low =
      anvil_rescale_in_double(vaddq_s32(anvil_totals(sums), vld1q_s32(bias)), scales);
  const int32x4_t high =
      anvil_rescale_in_double(vaddq_s32(anvil_totals(sums + 4), vld1q_s32(bias + 4)), scales + 4);
  const int32x4_t zero_point = vdupq_n_s32(p->output_zero_point);
  /* Wraps around as TFLite's addition does; then saturates, which the bounds would do. */
  const int16x8_t words =
      vqmovn_high_s32(vqmovn_s32(vaddq_s32(low, zero_point)), vaddq_s32(high, zero_point));
  const int8x8_t least = vdup_n_s8((int8_t)p->output_min);
  const int8x8_t greatest = vdup_n_s8((int8_t)p->output_max);
  return vmin_s8(vmax_s8(vqmovn_s16(words), least), greatest);
}

static inline __attribute__((always_inline)) void anvil_compute_rows(
    const anvil_fully_connected_int8_parameters *parameters, anvil_step *add_step,
    const int8_t *input, const int8_t *weights, const int32_t *bias, const int64_t *scales,
    int8_t *output) {
  const anvil_fully_connected_int8_parameters p = *parameters;
  const int32_t n_steps = (p.depth + ANVIL_STEP - 1) / ANVIL_STEP;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    int8_t values[ANVIL_STEP] = {0};
    for (int32_t i = p.depth / ANVIL_STEP * ANVIL_STEP; i < p.depth; ++i) {
      values[i % ANVIL_STEP] = input[i];
    }
    const int8x16_t tail = vld1q_s8(values);
    for (int32_t unit = 0; unit < p.units; unit += ANVIL_UNITS) {
      const int8x8_t outputs =
          anvil_compute_units(&p, add_step, input, tail, weights + unit * n_steps * ANVIL_STEP,
                              bias + unit, scales + unit);
      if (unit + ANVIL_UNITS <= p.units) {
        vst1_s8(output + unit, outputs);
      } else {
        int8_t last[ANVIL_UNITS];
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

#endif
