#include <stdbool.h>

#include "common/bytes__mve.h"
#include "depthwise_conv_2d/depthwise_conv_2d__mve.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };

/* 16 sums: of the even bytes the even and the odd halfwords, then those of the odd bytes. */
typedef struct {
  int32x4_t part[4];
} lanes;

INLINE lanes next_lanes(const int32_t **constants) {
  const int32_t *from = *constants;
  *constants += LANES;
  return (lanes){
      {vldrwq_s32(from), vldrwq_s32(from + 4), vldrwq_s32(from + 8), vldrwq_s32(from + 12)}};
}

INLINE lanes add_products(lanes sums, int16x8_t even, int16x8_t odd) {
  return (lanes){
      {vaddq_s32(sums.part[0], vmovlbq_s16(even)), vaddq_s32(sums.part[1], vmovltq_s16(even)),
       vaddq_s32(sums.part[2], vmovlbq_s16(odd)), vaddq_s32(sums.part[3], vmovltq_s16(odd))}};
}

/* Two taps. In assembly since all eight vector registers are needed, and what a compiler spills
 * costs a third more: it reads both weights twice instead. */
INLINE void add_two_taps(lanes *sums, int8x16_t value0, int8x16_t value1, const int8_t *weights) {
  int16x8_t one;
  int16x8_t other;
  __asm__(
      "vldrw.u32 %q[one], [%[weights]]\n"
      "vmullb.s8 %q[other], %q[value0], %q[one]\n"
      "vldrw.u32 %q[one], [%[weights], #16]\n"
      "vmullb.s8 %q[one], %q[value1], %q[one]\n"
      "vadd.i16 %q[other], %q[other], %q[one]\n"
      "vmovlb.s16 %q[one], %q[other]\n"
      "vadd.i32 %q[sums0], %q[sums0], %q[one]\n"
      "vmovlt.s16 %q[other], %q[other]\n"
      "vadd.i32 %q[sums1], %q[sums1], %q[other]\n"
      "vldrw.u32 %q[one], [%[weights]]\n"
      "vmullt.s8 %q[value0], %q[value0], %q[one]\n"
      "vldrw.u32 %q[one], [%[weights], #16]\n"
      "vmullt.s8 %q[value1], %q[value1], %q[one]\n"
      "vadd.i16 %q[value0], %q[value0], %q[value1]\n"
      "vmovlb.s16 %q[value1], %q[value0]\n"
      "vadd.i32 %q[sums2], %q[sums2], %q[value1]\n"
      "vmovlt.s16 %q[value0], %q[value0]\n"
      "vadd.i32 %q[sums3], %q[sums3], %q[value0]\n"
      : [sums0] "+w"(sums->part[0]), [sums1] "+w"(sums->part[1]), [sums2] "+w"(sums->part[2]),
        [sums3] "+w"(sums->part[3]), [value0] "+w"(value0), [value1] "+w"(value1), [one] "=&w"(one),
        [other] "=&w"(other)
      : [weights] "r"(weights), "m"(*(const int8_t (*)[2 * LANES]) weights));
}

/* Halves away from zero, as the reference's second rounding sends them: VRSHL sends them up, and
 * a negative number that is 1 less goes down. */
INLINE int32x4_t rescale(int32x4_t sums, int32x4_t multiplier, int32x4_t shift) {
  const int32x4_t high = vqrdmulhq_s32(sums, multiplier);
  return vrshlq_s32(vqdmlahq_n_s32(high, high, 1), shift);
}

/* One pixel's outputs of up to 16 channels; moves `block` behind what they take. */
INLINE int8x16_t outputs_of(const int8_t *const *taps, int32_t n_taps, int32_t channel,
                            mve_pred16_t inside, int32_t zero_point, const int32_t **block) {
  lanes sums = next_lanes(block);
  const int8_t *weights = (const int8_t *)*block;
  *block += n_taps * LANES / 4;
  int32_t tap = 0;
  if (n_taps % 2 != 0) {
    const int8x16_t value = vldrbq_z_s8(taps[tap++] + channel, inside);
    const int8x16_t weight = vldrbq_s8(weights);
    sums = add_products(sums, vmullbq_int_s8(value, weight), vmulltq_int_s8(value, weight));
    weights += LANES;
  }
  for (; tap < n_taps; tap += 2) {
    const int8x16_t value0 = vldrbq_z_s8(taps[tap] + channel, inside);
    const int8x16_t value1 = vldrbq_z_s8(taps[tap + 1] + channel, inside);
    add_two_taps(&sums, value0, value1, weights);
    weights += 2 * LANES;
  }
  const lanes multiplier = next_lanes(block);
  const lanes shift = next_lanes(block);
  for (int i = 0; i < 4; ++i) {
    sums.part[i] = rescale(sums.part[i], multiplier.part[i], shift.part[i]);
  }
  int16x8_t even = vqmovnbq_s32(vuninitializedq_s16(), sums.part[0]);
  even = vqaddq_n_s16(vqmovntq_s32(even, sums.part[1]), (int16_t)zero_point);
  int16x8_t odd = vqmovnbq_s32(vuninitializedq_s16(), sums.part[2]);
  odd = vqaddq_n_s16(vqmovntq_s32(odd, sums.part[3]), (int16_t)zero_point);
  return vqmovntq_s16(vqmovnbq_s16(vuninitializedq_s8(), even), odd);
}

/* Where the taps of a window lie: in the image, or in a pixel of zero points. */
INLINE void find_taps(const anvil_depthwise_conv_2d_int8_parameters *p, const int8_t *image,
                      const int8_t *beside, int32_t y, int32_t x, const int8_t **taps) {
  const int32_t step = p->dilation_w * p->input_channels;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
    const int32_t in_y = y + tap_y * p->dilation_h;
    const int8_t *from = image + (in_y * p->input_w + x) * p->input_channels;
    const int32_t is_row = in_y >= 0 && in_y < p->input_h;
    int32_t in_x = x;
    for (int32_t tap_x = 0; tap_x < p->filter_w; ++tap_x) {
      *taps++ = is_row && in_x >= 0 && in_x < p->input_w ? from : beside;
      from += step;
      in_x += p->dilation_w;
    }
  }
}

/* The next window of a row, where neither has a tap beside the image. */
INLINE void move_taps(const int8_t **taps, int32_t n_taps, int32_t distance) {
  uint32_t *addresses = (uint32_t *)taps;
  for (int32_t left = n_taps; left > 0; left -= 4) {
    const mve_pred16_t inside = vctp32q((uint32_t)left);
    const uint32x4_t found = vldrwq_z_u32(addresses, inside);
    vstrwq_p_u32(addresses, vaddq_n_u32(found, (uint32_t)distance), inside);
    addresses += 4;
  }
}

void anvil_depthwise_conv_2d_int8_lanes__mve(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int32_t *blocks, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = *parameters;
  const int32_t n_taps = p.filter_h * p.filter_w;
  const int32_t last_x = (p.filter_w - 1) * p.dilation_w;
  const int8_t **const taps = scratch;
  int8_t *const beside = (int8_t *)(taps + n_taps);
  const int32_t n_outputs = p.batches * p.output_h * p.output_w * p.input_channels;
  anvil_fill_bytes(beside, (int8_t)p.input_zero_point, p.input_channels);
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const bool is_inside_y = y >= 0 && y + (p.filter_h - 1) * p.dilation_h < p.input_h;
      bool was_inside = false;
      int32_t x = -p.pad_left;
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const bool is_inside = is_inside_y && x >= 0 && x + last_x < p.input_w;
        if (was_inside && is_inside) {
          move_taps(taps, n_taps, p.stride_w * p.input_channels);
        } else {
          find_taps(&p, input, beside, y, x, taps);
        }
        was_inside = is_inside;
        x += p.stride_w;
        const int32_t *block = blocks;
        for (int32_t channel = 0; channel < p.input_channels; channel += LANES) {
          const mve_pred16_t inside = vctp8q((uint32_t)(p.input_channels - channel));
          const int8x16_t found =
              outputs_of(taps, n_taps, channel, inside, p.output_zero_point, &block);
          vstrbq_p_s8(output + channel, found, inside);
        }
        output += p.input_channels;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
  anvil_clamp_bytes(output - n_outputs, n_outputs, p.output_min, p.output_max);
}
