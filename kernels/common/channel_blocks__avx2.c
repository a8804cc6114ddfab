#include "common/channel_blocks__avx2.h"

#include "common/channel_blocks__avx512.h"

/* Where the windows of a few pixels start, those beyond the last one at the last one. */
ANVIL_AVX2_INLINE void starts_of(const anvil_windows *w, int32_t n_pixels, int32_t n_body,
                                 int64_t *starts) {
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_body; ++i) {
    starts[i] = (int64_t)(i < n_pixels ? i : n_pixels - 1) * w->pixel_bytes;
  }
}

/* Sums of n_body windows, of one half of a block or both, the biases included. */
ANVIL_AVX2_INLINE void sums_by_bytes(const anvil_windows *w, int32_t way, const int8_t *weights,
                                     const int32_t *bias, int32_t n_pixels, int32_t n_body,
                                     int32_t n_halves, int32_t *sums) {
  int64_t starts[ANVIL_PIXELS];
  starts_of(w, n_pixels, n_body, starts);
  __m256i of[ANVIL_PIXELS][2];
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_halves; ++k) {
    const __m256i start = anvil_load(bias + k * ANVIL_HALF);
#pragma GCC unroll 8
    for (int32_t i = 0; i < n_body; ++i) {
      of[i][k] = start;
    }
  }
  for (int32_t run = 0; run < w->n_runs; ++run) {
    const uint8_t *values = w->first + w->runs[run];
    for (int32_t step = 0; step < w->n_steps; ++step) {
      __m256i by_half[2];
#pragma GCC unroll 8
      for (int32_t k = 0; k < n_halves; ++k) {
        by_half[k] = anvil_load(weights + k * ANVIL_HALF_STEP);
      }
#pragma GCC unroll 8
      for (int32_t i = 0; i < n_body; ++i) {
        const __m256i quad = _mm256_set1_epi32(anvil_bytes4(values + starts[i]));
#pragma GCC unroll 8
        for (int32_t k = 0; k < n_halves; ++k) {
          of[i][k] = anvil_add_products(of[i][k], quad, by_half[k], way);
        }
      }
      values += ANVIL_STEP;
      weights += ANVIL_BLOCK_STEP;
    }
  }
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_body; ++i) {
#pragma GCC unroll 8
    for (int32_t k = 0; k < n_halves; ++k) {
      _mm256_storeu_si256((__m256i *)(sums + i * ANVIL_BLOCK + k * ANVIL_HALF), of[i][k]);
    }
  }
}

/* The same of one half by vpmaddwd, whose sums are of two products. */
ANVIL_AVX2_INLINE void sums_by_words(const anvil_windows *w, const int8_t *weights,
                                     const int32_t *bias, int32_t n_pixels, int32_t n_body,
                                     int32_t *sums) {
  int64_t starts[ANVIL_PIXELS];
  starts_of(w, n_pixels, n_body, starts);
  __m256i low[ANVIL_PIXELS];
  __m256i high[ANVIL_PIXELS];
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_body; ++i) {
    low[i] = _mm256_setzero_si256();
    high[i] = _mm256_setzero_si256();
  }
  for (int32_t run = 0; run < w->n_runs; ++run) {
    const uint8_t *values = w->first + w->runs[run];
    for (int32_t step = 0; step < w->n_steps; ++step) {
      const __m256i of_low = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)weights));
      const __m256i of_high =
          _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(weights + 16)));
#pragma GCC unroll 8
      for (int32_t i = 0; i < n_body; ++i) {
        int64_t four_words;
        __builtin_memcpy(&four_words, values + starts[i], sizeof four_words);
        const __m256i four = _mm256_set1_epi64x(four_words);
        low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(four, of_low));
        high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(four, of_high));
      }
      values += ANVIL_STEP * (int32_t)sizeof(int16_t);
      weights += ANVIL_BLOCK_STEP;
    }
  }
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_body; ++i) {
    _mm256_storeu_si256((__m256i *)(sums + i * ANVIL_BLOCK),
                        anvil_sums_of_pairs(low[i], high[i], bias));
  }
}

ANVIL_AVX2_INLINE void sums_of(const anvil_windows *w, const anvil_channels *c,
                               const int8_t *weights, int32_t channel, int32_t n_pixels,
                               int32_t n_body, int32_t *sums) {
  const int32_t *bias = c->bias + channel;
  const int32_t is_alone = c->n_channels - channel <= ANVIL_HALF;
  if (c->way == ANVIL_BY_QUADS) {
    if (is_alone) {
      sums_by_bytes(w, ANVIL_BY_QUADS, weights, bias, n_pixels, n_body, 1, sums);
    } else {
      sums_by_bytes(w, ANVIL_BY_QUADS, weights, bias, n_pixels, n_body, 2, sums);
    }
    return;
  }
  for (int32_t k = 0; k < 2 - is_alone; ++k) {
    if (c->way == ANVIL_BY_PAIRS) {
      sums_by_bytes(w, ANVIL_BY_PAIRS, weights, bias, n_pixels, n_body, 1, sums);
    } else {
      sums_by_words(w, weights, bias, n_pixels, n_body, sums);
    }
    weights += ANVIL_HALF_STEP;
    bias += ANVIL_HALF;
    sums += ANVIL_HALF;
  }
}

ANVIL_AVX2 void anvil_outputs_of_windows__avx2(const anvil_windows *windows,
                                               const anvil_channels *channels, int32_t n_pixels,
                                               int8_t *output) {
  if (channels->way == ANVIL_BY_BLOCKS) {
    anvil_outputs_of_windows__avx512(windows, channels, n_pixels, output);
    return;
  }
  anvil_windows w = *windows; /* which no store through `output` can change */
  const anvil_channels c = *channels;
  int32_t sums[ANVIL_PIXELS * ANVIL_BLOCK] __attribute__((aligned(64)));
  while (n_pixels > 0) {
    /* Fewer than four take as long, since each product waits for the one before. */
    const int32_t is_four = n_pixels <= 4 || n_pixels == 7 || n_pixels == 8;
    const int32_t n_body = is_four ? 4 : ANVIL_PIXELS;
    const int32_t n = n_pixels < n_body ? n_pixels : n_body;
    const int8_t *weights = c.weights;
    for (int32_t channel = 0; channel < c.n_channels; channel += ANVIL_BLOCK) {
      if (is_four) {
        sums_of(&w, &c, weights, channel, n, 4, sums);
      } else {
        sums_of(&w, &c, weights, channel, n, ANVIL_PIXELS, sums);
      }
      anvil_store_sums__avx2(&c, channel, n, sums, output);
      weights += w.n_runs * w.n_steps * ANVIL_BLOCK_STEP;
    }
    w.first += n * w.pixel_bytes;
    output += n * c.n_channels;
    n_pixels -= n;
  }
}
