#include <immintrin.h>

#include "add/add__avx2.h"

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))

typedef struct {
  __m256i multiplier;
  __m256i rounding;
  __m256i threshold;
  __m128i shift;
} rescale;

AVX2_INLINE rescale rescale_of(int32_t multiplier, int32_t low, int32_t high, int32_t threshold,
                               int32_t shift) {
  const rescale r = {.multiplier = _mm256_set1_epi32(multiplier),
                     .rounding = _mm256_set_epi32(high, low, high, low, high, low, high, low),
                     .threshold = _mm256_set1_epi32(threshold),
                     .shift = _mm_cvtsi32_si128(shift)};
  return r;
}

/* The upper halves of eight products, of which vpmuludq takes every second one. */
AVX2_INLINE __m256i high_products(__m256i even, __m256i odd, const rescale *r) {
  even = _mm256_add_epi64(_mm256_mul_epu32(even, r->multiplier), r->rounding);
  odd = _mm256_add_epi64(_mm256_mul_epu32(odd, r->multiplier), r->rounding);
  return _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA);
}

AVX2_INLINE __m256i operand(__m128i bytes, const rescale *r) {
  const __m256i values = _mm256_cvtepu8_epi32(_mm_xor_si128(bytes, _mm_set1_epi8(-128)));
  /* 20 bits to the left: of an odd one, 12 to the right of its place and 32 to the left. */
  const __m256i high =
      high_products(_mm256_slli_epi32(values, 20), _mm256_srli_epi64(values, 12), r);
  const __m256i below = _mm256_cmpgt_epi32(r->threshold, values);
  return _mm256_sra_epi32(_mm256_add_epi32(high, below), r->shift);
}

AVX2_INLINE __m256i sums_of(const int8_t *input1, const int8_t *input2, const rescale r[3]) {
  const __m256i one = operand(_mm_loadl_epi64((const __m128i *)input1), &r[0]);
  const __m256i other = operand(_mm_loadl_epi64((const __m128i *)input2), &r[1]);
  const __m256i sum = _mm256_add_epi32(one, other);
  const __m256i raised = _mm256_xor_si256(sum, _mm256_set1_epi32(INT32_MIN));
  const __m256i high = high_products(raised, _mm256_srli_epi64(raised, 32), &r[2]);
  return _mm256_sra_epi32(_mm256_add_epi32(high, _mm256_srai_epi32(sum, 31)), r[2].shift);
}

typedef struct {
  rescale steps[3]; /* of both operands and of their sum */
  __m256i zero_point;
  __m128i least;
  __m128i greatest;
} layer;

AVX2_INLINE void add_16(const layer *l, const int8_t *input1, const int8_t *input2,
                        int8_t *output) {
  const __m256i first = sums_of(input1, input2, l->steps);
  const __m256i second = sums_of(input1 + 8, input2 + 8, l->steps);
  __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(first, second), 0xD8);
  words = _mm256_adds_epi16(words, l->zero_point);
  const __m128i bytes =
      _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128((__m128i *)output, _mm_min_epi8(_mm_max_epi8(bytes, l->least), l->greatest));
}

AVX2 void anvil_add_int8_equal__avx2(const anvil_add_int8_wide_parameters *parameters,
                                     const int8_t *input1, const int8_t *input2, int8_t *output) {
  const anvil_add_int8_wide_parameters p = *parameters;
  const layer l = {.steps = {rescale_of(p.input1_multiplier, p.input1_rounding_low,
                                        p.input1_rounding_high, p.input1_threshold, p.input1_shift),
                             rescale_of(p.input2_multiplier, p.input2_rounding_low,
                                        p.input2_rounding_high, p.input2_threshold, p.input2_shift),
                             rescale_of(p.output_multiplier, p.output_rounding_low,
                                        p.output_rounding_high, 0, p.output_shift)},
                   .zero_point = _mm256_set1_epi16((int16_t)p.output_zero_point),
                   .least = _mm_set1_epi8((int8_t)p.output_min),
                   .greatest = _mm_set1_epi8((int8_t)p.output_max)};
  int32_t i = 0;
  for (; i + 16 <= p.n_elements; i += 16) {
    add_16(&l, input1 + i, input2 + i, output + i);
  }
  if (i < p.n_elements) {
    int8_t rest[3][16] = {{0}, {0}, {0}};
    for (int32_t k = 0; i + k < p.n_elements; ++k) {
      rest[0][k] = input1[i + k];
      rest[1][k] = input2[i + k];
    }
    add_16(&l, rest[0], rest[1], rest[2]);
    for (int32_t k = 0; i + k < p.n_elements; ++k) {
      output[i + k] = rest[2][k];
    }
  }
}
