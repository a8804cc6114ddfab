#include "common/bytes__mve.h"
#include "fully_connected/fully_connected__mve.h"

enum { STEP = 16, UNITS = 4 };

static inline __attribute__((always_inline)) int32x4_t next_four(const int32_t **constants) {
  const int32x4_t found = vldrwq_s32(*constants);
  *constants += 4;
  return found;
}

/* The sums of four units, rescaled; moves `blocks` to the next four. */
static inline __attribute__((always_inline)) int32x4_t four_units(const int8_t *row, int32_t depth,
                                                                  const int32_t **blocks) {
  const int8_t *weights = (const int8_t *)*blocks;
  int32_t sum0 = 0;
  int32_t sum1 = 0;
  int32_t sum2 = 0;
  int32_t sum3 = 0;
  /* All of it under the predicate, so that the loop's own instructions do the predicating. */
  for (int32_t left = depth; left > 0; left -= STEP) {
    const mve_pred16_t inside = vctp8q((uint32_t)left);
    const int8x16_t values = vldrbq_z_s8(row, inside);
    sum0 = vmladavaq_p_s8(sum0, values, vldrbq_z_s8(weights, inside), inside);
    sum1 = vmladavaq_p_s8(sum1, values, vldrbq_z_s8(weights + STEP, inside), inside);
    sum2 = vmladavaq_p_s8(sum2, values, vldrbq_z_s8(weights + 2 * STEP, inside), inside);
    sum3 = vmladavaq_p_s8(sum3, values, vldrbq_z_s8(weights + 3 * STEP, inside), inside);
    row += STEP;
    weights += UNITS * STEP;
  }
  *blocks += (depth + STEP - 1) / STEP * (UNITS * STEP / 4);
  int32x4_t sums = vsetq_lane_s32(sum0, vuninitializedq_s32(), 0);
  sums = vsetq_lane_s32(sum1, sums, 1);
  sums = vsetq_lane_s32(sum2, sums, 2);
  sums = vsetq_lane_s32(sum3, sums, 3);
  sums = vaddq_s32(sums, next_four(blocks));
  int32x4_t scaled = vshlq_s32(sums, next_four(blocks));
  scaled = vmulhq_s32(scaled, next_four(blocks));
  scaled = vaddq_s32(scaled, next_four(blocks));
  scaled = vaddq_s32(scaled, vandq_s32(vshrq_n_s32(sums, 31), next_four(blocks)));
  return vshlq_s32(scaled, next_four(blocks));
}

void anvil_fully_connected_int8_rows__mve(const anvil_fully_connected_int8_parameters *parameters,
                                          const int8_t *input, const int32_t *blocks,
                                          int8_t *output) {
  const anvil_fully_connected_int8_parameters p = *parameters;
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    const int32_t *block = blocks;
    for (int32_t left = p.units; left > 0; left -= UNITS) {
      const int32x4_t wide = four_units(input, p.depth, &block);
      const int16x8_t half = vqmovnbq_s32(vuninitializedq_s16(), wide);
      const int8x16_t bytes = vqmovnbq_s16(vuninitializedq_s8(), half);
      vstrbq_p_s32(output, vreinterpretq_s32_s8(bytes), vctp32q((uint32_t)left));
      output += left < UNITS ? left : UNITS;
    }
    input += p.depth;
  }
  const int32_t n_outputs = p.batches * p.units;
  anvil_clamp_bytes(output - n_outputs, n_outputs, p.output_min, p.output_max);
}
