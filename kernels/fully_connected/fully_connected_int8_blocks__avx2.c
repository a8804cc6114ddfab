#include "common/channel_blocks__avx2.h"
#include "fully_connected/fully_connected__avx2.h"
#include "fully_connected/units__avx512.h"

/* Each addition waits for the one before, so that halves of blocks side by side are what is fast.
 */
enum { MOST_HALVES = 8, MOST_NIBBLE_HALVES = 4 };

ANVIL_AVX2_INLINE const int8_t *half_at(const int8_t *weights, int64_t block_bytes, int32_t k) {
  return weights + k / 2 * block_bytes + k % 2 * ANVIL_HALF_STEP;
}

ANVIL_AVX2_INLINE void sums_by_bytes(const int8_t *input, int32_t depth, int32_t way,
                                     const int8_t *weights, int64_t block_bytes,
                                     const int32_t *bias, int32_t n_halves, int32_t *sums) {
  __m256i of[MOST_HALVES];
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_halves; ++k) {
    of[k] = anvil_load(bias + k * ANVIL_HALF);
  }
  for (int32_t step = 0; step * ANVIL_STEP < depth; ++step) {
    const __m256i quad =
        _mm256_set1_epi32(anvil_unsigned4(input + step * ANVIL_STEP, depth - step * ANVIL_STEP));
#pragma GCC unroll 8
    for (int32_t k = 0; k < n_halves; ++k) {
      of[k] = anvil_add_products(of[k], quad, anvil_load(half_at(weights, block_bytes, k)), way);
    }
    weights += ANVIL_BLOCK_STEP;
  }
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_halves; ++k) {
    _mm256_storeu_si256((__m256i *)(sums + k * ANVIL_HALF), of[k]);
  }
}

/* The two halves of each activation apart: so products of pairs cannot saturate, and those of
 * several steps fit 16 bits together. */
ANVIL_AVX2_INLINE void sums_by_nibbles(const int8_t *input, int32_t depth, const int8_t *weights,
                                       int64_t block_bytes, const int32_t *bias, int32_t n_halves,
                                       int32_t *sums) {
  enum { STEPS = 8 }; /* of at most 2 * 15 * 128 each */
  const __m256i nibble = _mm256_set1_epi8(15);
  __m256i of[MOST_NIBBLE_HALVES];
#pragma GCC unroll 4
  for (int32_t k = 0; k < n_halves; ++k) {
    of[k] = anvil_load(bias + k * ANVIL_HALF);
  }
  for (int32_t step = 0; step * ANVIL_STEP < depth;) {
    __m256i low[MOST_NIBBLE_HALVES];
    __m256i high[MOST_NIBBLE_HALVES];
#pragma GCC unroll 4
    for (int32_t k = 0; k < n_halves; ++k) {
      low[k] = _mm256_setzero_si256();
      high[k] = _mm256_setzero_si256();
    }
    const int32_t end = step + STEPS;
    for (; step < end && step * ANVIL_STEP < depth; ++step) {
      const __m256i quad =
          _mm256_set1_epi32(anvil_unsigned4(input + step * ANVIL_STEP, depth - step * ANVIL_STEP));
      const __m256i quad_low = _mm256_and_si256(quad, nibble);
      const __m256i quad_high = _mm256_and_si256(_mm256_srli_epi16(quad, 4), nibble);
#pragma GCC unroll 4
      for (int32_t k = 0; k < n_halves; ++k) {
        const __m256i w = anvil_load(half_at(weights, block_bytes, k));
        low[k] = _mm256_add_epi16(low[k], _mm256_maddubs_epi16(quad_low, w));
        high[k] = _mm256_add_epi16(high[k], _mm256_maddubs_epi16(quad_high, w));
      }
      weights += ANVIL_BLOCK_STEP;
    }
#pragma GCC unroll 4
    for (int32_t k = 0; k < n_halves; ++k) {
      const __m256i of_low = _mm256_madd_epi16(low[k], _mm256_set1_epi16(1));
      const __m256i of_high = _mm256_madd_epi16(high[k], _mm256_set1_epi16(16));
      of[k] = _mm256_add_epi32(of[k], _mm256_add_epi32(of_low, of_high));
    }
  }
#pragma GCC unroll 4
  for (int32_t k = 0; k < n_halves; ++k) {
    _mm256_storeu_si256((__m256i *)(sums + k * ANVIL_HALF), of[k]);
  }
}

/* All units, up to 64 at a time, each of which reads the whole input. */
ANVIL_AVX2_INLINE void all_units(const anvil_channels *c, int32_t way, int32_t depth,
                                 const int8_t *input, int8_t *output) {
  const int32_t block_bytes = (depth + ANVIL_STEP - 1) / ANVIL_STEP * ANVIL_BLOCK_STEP;
  int32_t sums[MOST_HALVES * ANVIL_HALF] __attribute__((aligned(64)));
  for (int32_t unit = 0; unit < c->n_channels;) {
    const int8_t *weights = c->weights + (int64_t)(unit / ANVIL_BLOCK) * block_bytes;
    const int32_t *bias = c->bias + unit;
    const int32_t rest = (c->n_channels - unit + ANVIL_HALF - 1) / ANVIL_HALF;
    const int32_t n_halves = rest >= MOST_HALVES ? MOST_HALVES : 2;
    if (way == ANVIL_BY_WORDS) {
      int32_t k = 0;
      for (; k + MOST_NIBBLE_HALVES <= n_halves; k += MOST_NIBBLE_HALVES) {
        sums_by_nibbles(input, depth, half_at(weights, block_bytes, k), block_bytes,
                        bias + k * ANVIL_HALF, MOST_NIBBLE_HALVES, sums + k * ANVIL_HALF);
      }
      if (k < n_halves) {
        sums_by_nibbles(input, depth, half_at(weights, block_bytes, k), block_bytes,
                        bias + k * ANVIL_HALF, 2, sums + k * ANVIL_HALF);
      }
    } else if (n_halves == MOST_HALVES) {
      sums_by_bytes(input, depth, way, weights, block_bytes, bias, MOST_HALVES, sums);
    } else {
      sums_by_bytes(input, depth, way, weights, block_bytes, bias, 2, sums);
    }
    for (int32_t k = 0; k < n_halves; k += 2) {
      anvil_store_sums__avx2(c, unit + k * ANVIL_HALF, 1, sums + k * ANVIL_HALF, output);
    }
    unit += n_halves * ANVIL_HALF;
  }
}

ANVIL_AVX2 void anvil_fully_connected_int8_blocks__avx2(
    const anvil_fully_connected_int8_bytes_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *rescale, int8_t *output) {
  const anvil_fully_connected_int8_bytes_parameters p = *parameters;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .rescale = rescale,
                                   .n_channels = p.units,
                                   .form = p.form,
                                   .way = anvil_way_to_multiply(p.fits_pairs),
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    switch (channels.way) {
      case ANVIL_BY_BLOCKS:
        anvil_all_units__avx512(&channels, p.depth, input, output);
        break;
      case ANVIL_BY_QUADS:
        all_units(&channels, ANVIL_BY_QUADS, p.depth, input, output);
        break;
      case ANVIL_BY_PAIRS:
        all_units(&channels, ANVIL_BY_PAIRS, p.depth, input, output);
        break;
      default:
        all_units(&channels, ANVIL_BY_WORDS, p.depth, input, output);
        break;
    }
    input += p.depth;
    output += p.units;
  }
}
