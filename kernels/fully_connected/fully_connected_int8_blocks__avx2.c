#include "common/channel_blocks__avx2.h"
#include "common/x86_level__avx2.h"
#include "fully_connected/fully_connected__avx2.h"

/* Each addition waits for the one before, so that blocks side by side are what is fast. */
enum { MOST_BLOCKS = 8 };

ANVIL_AVX2_INLINE void sums_vnni(const uint8_t *values, int32_t n_steps, const int8_t *weights,
                                 const int32_t *bias, int32_t n_blocks, __m256i *sums) {
  const int32_t block_bytes = n_steps * ANVIL_BLOCK_STEP;
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    sums[k] = _mm256_loadu_si256((const __m256i *)(bias + k * ANVIL_BLOCK));
  }
  for (int32_t step = 0; step < n_steps; ++step) {
    const __m256i quad = _mm256_set1_epi32(anvil_bytes4(values));
#pragma GCC unroll 8
    for (int32_t k = 0; k < n_blocks; ++k) {
      const __m256i *of_block = (const __m256i *)(weights + k * block_bytes);
      sums[k] = anvil_add_quads(sums[k], quad, _mm256_loadu_si256(of_block));
    }
    values += ANVIL_STEP;
    weights += ANVIL_BLOCK_STEP;
  }
}

ANVIL_AVX2_INLINE void sums_words(const uint8_t *values, int32_t n_steps, const int8_t *weights,
                                  const int32_t *bias, int32_t n_blocks, __m256i *sums) {
  const int32_t block_bytes = n_steps * ANVIL_BLOCK_STEP;
  __m256i low[MOST_BLOCKS];
  __m256i high[MOST_BLOCKS];
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    low[k] = _mm256_setzero_si256();
    high[k] = _mm256_setzero_si256();
  }
  for (int32_t step = 0; step < n_steps; ++step) {
    const __m256i four = _mm256_set1_epi64x(anvil_bytes8(values));
#pragma GCC unroll 8
    for (int32_t k = 0; k < n_blocks; ++k) {
      const __m128i *of_block = (const __m128i *)(weights + k * block_bytes);
      const __m256i of_low = _mm256_cvtepi8_epi16(_mm_loadu_si128(of_block));
      const __m256i of_high = _mm256_cvtepi8_epi16(_mm_loadu_si128(of_block + 1));
      low[k] = _mm256_add_epi32(low[k], _mm256_madd_epi16(four, of_low));
      high[k] = _mm256_add_epi32(high[k], _mm256_madd_epi16(four, of_high));
    }
    values += 2 * ANVIL_STEP;
    weights += ANVIL_BLOCK_STEP;
  }
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    sums[k] = anvil_sums_of_pairs(low[k], high[k], bias + k * ANVIL_BLOCK);
  }
}

/* Up to n_blocks * 8 units from `unit` on. */
ANVIL_AVX2_INLINE void units_of(const anvil_channels *c, const uint8_t *values, int32_t value_bytes,
                                int32_t n_steps, int32_t unit, int32_t n_blocks, int8_t *output) {
  const int8_t *weights = c->weights + unit * n_steps * ANVIL_STEP;
  __m256i sums[MOST_BLOCKS];
  if (value_bytes == 1) {
    sums_vnni(values, n_steps, weights, c->bias + unit, n_blocks, sums);
  } else {
    /* Half of the blocks at a time, since each has two registers. */
    const int32_t n = n_blocks > 1 ? n_blocks / 2 : 1;
    for (int32_t k = 0; k < n_blocks; k += n) {
      sums_words(values, n_steps, weights + k * n_steps * ANVIL_BLOCK_STEP,
                 c->bias + unit + k * ANVIL_BLOCK, n, sums + k);
    }
  }
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; k += 2) {
    __m256i pair[ANVIL_PIXELS][2];
    pair[0][0] = sums[k];
    pair[0][1] = sums[k + 1 < n_blocks ? k + 1 : k];
    const int32_t n = n_blocks - k > 1 ? 2 : 1;
    anvil_store_pixels(c, pair, unit + k * ANVIL_BLOCK, 1, n, output);
  }
}

ANVIL_AVX2_INLINE void all_units(const anvil_channels *c, int32_t value_bytes, int32_t batches,
                                 int32_t depth, const int8_t *input, int8_t *output,
                                 uint8_t *scratch) {
  const int32_t n_steps = (depth + ANVIL_STEP - 1) / ANVIL_STEP;
  for (int32_t batch = 0; batch < batches; ++batch) {
    anvil_unsigned(input, depth, value_bytes, scratch);
    int32_t unit = 0;
    int32_t rest = (c->n_channels + ANVIL_BLOCK - 1) / ANVIL_BLOCK;
    for (; rest >= 8; rest -= 8, unit += 8 * ANVIL_BLOCK) {
      units_of(c, scratch, value_bytes, n_steps, unit, 8, output);
    }
    for (; rest >= 2; rest -= 2, unit += 2 * ANVIL_BLOCK) {
      units_of(c, scratch, value_bytes, n_steps, unit, 2, output);
    }
    if (rest > 0) {
      units_of(c, scratch, value_bytes, n_steps, unit, 1, output);
    }
    input += depth;
    output += c->n_channels;
  }
}

static ANVIL_AVX2 void by_bytes(const anvil_channels *c, int32_t batches, int32_t depth,
                                const int8_t *input, int8_t *output, uint8_t *scratch) {
  all_units(c, 1, batches, depth, input, output, scratch);
}

static ANVIL_AVX2 void by_words(const anvil_channels *c, int32_t batches, int32_t depth,
                                const int8_t *input, int8_t *output, uint8_t *scratch) {
  all_units(c, 2, batches, depth, input, output, scratch);
}

void anvil_fully_connected_int8_blocks__avx2(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier, const int64_t *rounding,
    const int32_t *shift, int8_t *output, void *scratch) {
  const anvil_fully_connected_int8_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .multiplier = multiplier,
                                   .rounding = rounding,
                                   .shift = shift,
                                   .n_channels = p.units,
                                   .halves_away = 0, /* rounded once */
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  if (anvil_x86_has_avxvnni()) {
    by_bytes(&channels, p.batches, p.depth, input, output, scratch);
  } else {
    by_words(&channels, p.batches, p.depth, input, output, scratch);
  }
}
