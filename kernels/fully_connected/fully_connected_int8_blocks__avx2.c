#include "common/channel_blocks__avx2.h"
#include "fully_connected/fully_connected__avx2.h"

/* Each addition waits for the one before, so that blocks side by side are what is fast. */
enum { MOST_BLOCKS = 8 };

/* Four inputs as unsigned bytes; those beyond the last one do not matter. */
ANVIL_AVX2_INLINE int32_t quad_at(const int8_t *input, int32_t depth, int32_t step) {
  const int8_t *from = input + step * ANVIL_STEP;
  uint32_t quad = 0;
  const int32_t rest = depth - step * ANVIL_STEP;
  if (rest >= ANVIL_STEP) {
    __builtin_memcpy(&quad, from, sizeof quad);
  } else {
    for (int32_t i = 0; i < rest; ++i) {
      quad |= (uint32_t)(uint8_t)from[i] << 8 * i;
    }
  }
  return (int32_t)(quad ^ 0x80808080u);
}

ANVIL_AVX2_INLINE void sums_by_bytes(const int8_t *input, int32_t depth, int32_t way,
                                     const int8_t *weights, int64_t block_bytes,
                                     const int32_t *bias, int32_t n_blocks, int32_t *sums) {
  __m256i of[MOST_BLOCKS];
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    of[k] = anvil_load(bias + k * ANVIL_BLOCK);
  }
  for (int32_t step = 0; step * ANVIL_STEP < depth; ++step) {
    const __m256i quad = _mm256_set1_epi32(quad_at(input, depth, step));
#pragma GCC unroll 8
    for (int32_t k = 0; k < n_blocks; ++k) {
      of[k] = anvil_add_products(of[k], quad, anvil_load(weights + k * block_bytes), way);
    }
    weights += ANVIL_BLOCK_STEP;
  }
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    _mm256_storeu_si256((__m256i *)(sums + k * ANVIL_BLOCK), of[k]);
  }
}

ANVIL_AVX2_INLINE void sums_by_words(const int8_t *input, int32_t depth, const int8_t *weights,
                                     int64_t block_bytes, const int32_t *bias, int32_t n_blocks,
                                     int32_t *sums) {
  __m256i low[MOST_BLOCKS];
  __m256i high[MOST_BLOCKS];
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    low[k] = _mm256_setzero_si256();
    high[k] = _mm256_setzero_si256();
  }
  for (int32_t step = 0; step * ANVIL_STEP < depth; ++step) {
    const __m256i four = _mm256_cvtepu8_epi16(_mm_set1_epi32(quad_at(input, depth, step)));
#pragma GCC unroll 8
    for (int32_t k = 0; k < n_blocks; ++k) {
      const __m128i *of_block = (const __m128i *)(weights + k * block_bytes);
      const __m256i of_low = _mm256_cvtepi8_epi16(_mm_loadu_si128(of_block));
      const __m256i of_high = _mm256_cvtepi8_epi16(_mm_loadu_si128(of_block + 1));
      low[k] = _mm256_add_epi32(low[k], _mm256_madd_epi16(four, of_low));
      high[k] = _mm256_add_epi32(high[k], _mm256_madd_epi16(four, of_high));
    }
    weights += ANVIL_BLOCK_STEP;
  }
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    _mm256_storeu_si256((__m256i *)(sums + k * ANVIL_BLOCK),
                        anvil_sums_of_pairs(low[k], high[k], bias + k * ANVIL_BLOCK));
  }
}

/* All units, up to 64 at a time, each of which reads the whole input. */
ANVIL_AVX2_INLINE void all_units(const anvil_channels *c, int32_t way, int32_t depth,
                                 const int8_t *input, int8_t *output) {
  const int32_t block_bytes = (depth + ANVIL_STEP - 1) / ANVIL_STEP * ANVIL_BLOCK_STEP;
  int32_t sums[MOST_BLOCKS * ANVIL_BLOCK] __attribute__((aligned(64)));
  for (int32_t unit = 0; unit < c->n_channels;) {
    const int8_t *weights = c->weights + (int64_t)(unit / ANVIL_BLOCK) * block_bytes;
    const int32_t *bias = c->bias + unit;
    const int32_t rest = (c->n_channels - unit + ANVIL_BLOCK - 1) / ANVIL_BLOCK;
    const int32_t n_blocks = rest >= MOST_BLOCKS ? MOST_BLOCKS : rest >= 2 ? 2 : 1;
    if (way == ANVIL_BY_WORDS && n_blocks > 1) {
      for (int32_t k = 0; k < n_blocks; k += 2) {
        sums_by_words(input, depth, weights + k * block_bytes, block_bytes, bias + k * ANVIL_BLOCK,
                      2, sums + k * ANVIL_BLOCK);
      }
    } else if (way == ANVIL_BY_WORDS) {
      sums_by_words(input, depth, weights, block_bytes, bias, 1, sums);
    } else if (n_blocks == MOST_BLOCKS) {
      sums_by_bytes(input, depth, way, weights, block_bytes, bias, MOST_BLOCKS, sums);
    } else if (n_blocks == 2) {
      sums_by_bytes(input, depth, way, weights, block_bytes, bias, 2, sums);
    } else {
      sums_by_bytes(input, depth, way, weights, block_bytes, bias, 1, sums);
    }
    for (int32_t k = 0; k < n_blocks; k += 2) {
      anvil_store_sums__avx2(c, unit + k * ANVIL_BLOCK, 1, sums + k * ANVIL_BLOCK, output);
    }
    unit += n_blocks * ANVIL_BLOCK;
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
