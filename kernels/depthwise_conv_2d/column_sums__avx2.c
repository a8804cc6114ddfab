#include "depthwise_conv_2d/column_sums__avx2.h"

enum { FEWER_PIXELS = 3 };

/* sums += products, by vpmaddwd: of even places and of odd ones. */
ANVIL_AVX2_INLINE __m256i add_words(__m256i sums, __m256i quads, __m256i even, __m256i odd) {
  const __m256i of_even = _mm256_madd_epi16(_mm256_and_si256(quads, _mm256_set1_epi16(0xFF)), even);
  const __m256i of_odd = _mm256_madd_epi16(_mm256_srli_epi16(quads, 8), odd);
  return _mm256_add_epi32(sums, _mm256_add_epi32(of_even, of_odd));
}

/* Sums of n_body windows, those beyond the last one at the last one; of one half of a block of
 * channels or both. */
ANVIL_AVX2_INLINE void sums_of(const anvil_columns *l, int32_t way, const uint8_t *first,
                               const int8_t *weights, const int32_t *bias, int32_t n_pixels,
                               int32_t n_body, int32_t n_halves, int32_t *sums) {
  const __m128i slide = _mm_cvtsi32_si128(8 * l->slide);
  int64_t starts[ANVIL_PIXELS];
  __m256i of[ANVIL_PIXELS][2];
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_body; ++i) {
    starts[i] = (int64_t)(i < n_pixels ? i : n_pixels - 1) * l->pixel_bytes;
#pragma GCC unroll 2
    for (int32_t k = 0; k < n_halves; ++k) {
      of[i][k] = anvil_load(bias + k * ANVIL_HALF);
    }
  }
  for (int32_t group = 0; group < l->n_groups; ++group) {
    const uint8_t *column = first;
    for (int32_t tap = 0; tap < l->n_taps; ++tap) {
#pragma GCC unroll 2
      for (int32_t k = 0; k < n_halves; ++k) {
        const __m256i w = _mm256_sll_epi32(anvil_load(weights + k * ANVIL_HALF_STEP), slide);
        const __m256i even = _mm256_srai_epi16(_mm256_slli_epi16(w, 8), 8);
        const __m256i odd = _mm256_srai_epi16(w, 8);
#pragma GCC unroll 8
        for (int32_t i = 0; i < n_body; ++i) {
          const __m256i quads = anvil_load(column + starts[i] + k * ANVIL_HALF_STEP);
          of[i][k] = way == ANVIL_BY_WORDS ? add_words(of[i][k], quads, even, odd)
                                           : anvil_add_products(of[i][k], quads, w, way);
        }
      }
      column += l->tap_bytes;
      weights += ANVIL_BLOCK_STEP;
    }
    first += l->group_bytes;
  }
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_body; ++i) {
#pragma GCC unroll 2
    for (int32_t k = 0; k < n_halves; ++k) {
      _mm256_storeu_si256((__m256i *)(sums + i * ANVIL_BLOCK + k * ANVIL_HALF), of[i][k]);
    }
  }
}

ANVIL_AVX2_INLINE void pixels_of(const anvil_columns *l, const anvil_channels *c, int32_t begin,
                                 int32_t end, int32_t n_pixels, int32_t n_body, int8_t *output) {
  int32_t sums[ANVIL_PIXELS * ANVIL_BLOCK] __attribute__((aligned(64)));
  const int32_t block_bytes = l->n_groups * l->n_taps * ANVIL_BLOCK_STEP;
  const uint8_t *first = l->first;
  const int8_t *weights = c->weights + (int64_t)(begin / ANVIL_BLOCK) * block_bytes;
  for (int32_t channel = begin; channel < end; channel += ANVIL_BLOCK) {
    const int32_t n_halves = end - channel > ANVIL_HALF ? 2 : 1;
    const int32_t *bias = c->bias + channel;
    if (c->way == ANVIL_BY_QUADS && n_halves == 2) {
      sums_of(l, ANVIL_BY_QUADS, first, weights, bias, n_pixels, n_body, 2, sums);
    } else {
      for (int32_t k = 0; k < n_halves; ++k) {
        const uint8_t *of_half = first + k * ANVIL_HALF_STEP;
        const int8_t *own = weights + k * ANVIL_HALF_STEP;
        int32_t *to = sums + k * ANVIL_HALF;
        if (c->way == ANVIL_BY_QUADS) {
          sums_of(l, ANVIL_BY_QUADS, of_half, own, bias, n_pixels, n_body, 1, to);
        } else if (c->way == ANVIL_BY_PAIRS) {
          sums_of(l, ANVIL_BY_PAIRS, of_half, own, bias, n_pixels, n_body, 1, to);
        } else {
          sums_of(l, ANVIL_BY_WORDS, of_half, own, bias, n_pixels, n_body, 1, to);
        }
        bias += ANVIL_HALF;
      }
    }
    anvil_store_sums__avx2(c, channel, n_pixels, sums, output);
    first += ANVIL_BLOCK_STEP;
    weights += block_bytes;
  }
}

ANVIL_AVX2 void anvil_outputs_of_columns__avx2(const anvil_columns *columns,
                                               const anvil_channels *channels, int32_t begin,
                                               int32_t end, int32_t n_pixels, int8_t *output) {
  if (channels->way == ANVIL_BY_BLOCKS) {
    anvil_outputs_of_columns__avx512(columns, channels, begin, end, n_pixels, output);
    return;
  }
  anvil_columns l = *columns; /* which no store through `output` can change */
  const anvil_channels c = *channels;
  while (n_pixels > 0) {
    const int32_t n = n_pixels < ANVIL_PIXELS ? n_pixels : ANVIL_PIXELS;
    if (n <= FEWER_PIXELS) {
      pixels_of(&l, &c, begin, end, n, FEWER_PIXELS, output);
    } else {
      pixels_of(&l, &c, begin, end, n, ANVIL_PIXELS, output);
    }
    l.first += n * l.pixel_bytes;
    output += n * c.n_channels;
    n_pixels -= n;
  }
}

ANVIL_AVX2_INLINE __m128i load8(const int8_t *from) {
  return _mm_loadl_epi64((const __m128i *)from);
}

ANVIL_AVX2 void anvil_interleave__avx2(const int8_t *const rows[4], int32_t n, int32_t flipped,
                                       int32_t way, uint8_t *to) {
  if (way == ANVIL_BY_BLOCKS) {
    anvil_interleave__avx512(rows, n, flipped, to);
    return;
  }
  int32_t i = 0;
  const __m256i half = _mm256_set1_epi8((int8_t)flipped);
  for (; i + 32 <= n; i += 32) {
    const __m256i a = _mm256_loadu_si256((const __m256i *)(rows[0] + i));
    const __m256i b = _mm256_loadu_si256((const __m256i *)(rows[1] + i));
    const __m256i c = _mm256_loadu_si256((const __m256i *)(rows[2] + i));
    const __m256i d = _mm256_loadu_si256((const __m256i *)(rows[3] + i));
    const __m256i ab[2] = {_mm256_xor_si256(_mm256_unpacklo_epi8(a, b), half),
                           _mm256_xor_si256(_mm256_unpackhi_epi8(a, b), half)};
    const __m256i cd[2] = {_mm256_xor_si256(_mm256_unpacklo_epi8(c, d), half),
                           _mm256_xor_si256(_mm256_unpackhi_epi8(c, d), half)};
    for (int32_t k = 0; k < 2; ++k) {
      /* Each half of a vector keeps its own: values 0..15 below, 16..31 above. */
      const __m256i first = _mm256_unpacklo_epi16(ab[k], cd[k]);
      const __m256i second = _mm256_unpackhi_epi16(ab[k], cd[k]);
      __m256i *at = (__m256i *)(to + 4 * i + 32 * k);
      /* In whole vectors, which can be read again before they have reached the cache. */
      _mm256_storeu_si256(at, _mm256_permute2x128_si256(first, second, 0x20));
      _mm256_storeu_si256(at + 2, _mm256_permute2x128_si256(first, second, 0x31));
    }
  }
  for (; i + 8 <= n; i += 8) {
    const __m128i ab = _mm_unpacklo_epi8(load8(rows[0] + i), load8(rows[1] + i));
    const __m128i cd = _mm_unpacklo_epi8(load8(rows[2] + i), load8(rows[3] + i));
    const __m256i both = _mm256_set_m128i(_mm_unpackhi_epi16(ab, cd), _mm_unpacklo_epi16(ab, cd));
    _mm256_storeu_si256((__m256i *)(to + 4 * i), _mm256_xor_si256(both, half));
  }
  for (; i < n; ++i) {
    for (int32_t k = 0; k < 4; ++k) {
      to[4 * i + k] = (uint8_t)(rows[k][i] ^ flipped);
    }
  }
}
