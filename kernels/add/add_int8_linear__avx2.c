#include <immintrin.h>

#include "add/add__avx2.h"

#define AVX2 __attribute__((target("avx2")))
#define AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))

enum { LANES = 16 };

typedef struct {
  __m256i multiplier1;
  __m256i multiplier2;
  __m256i start;
  __m128i shift;
} linear;

AVX2_INLINE __m256i add_8(__m128i first, __m128i second, const linear *l) {
  const __m256i one = _mm256_mullo_epi32(_mm256_cvtepi8_epi32(first), l->multiplier1);
  const __m256i other = _mm256_mullo_epi32(_mm256_cvtepi8_epi32(second), l->multiplier2);
  return _mm256_sra_epi32(_mm256_add_epi32(_mm256_add_epi32(one, l->start), other), l->shift);
}

AVX2_INLINE __m128i add_16(const int8_t *input1, const int8_t *input2, const linear *l) {
  const __m128i first = _mm_loadu_si128((const __m128i *)input1);
  const __m128i second = _mm_loadu_si128((const __m128i *)input2);
  const __m256i low = add_8(first, second, l);
  const __m256i high = add_8(_mm_srli_si128(first, 8), _mm_srli_si128(second, 8), l);
  /* By fours: 0 and 2, then 1 and 3. */
  const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
  return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

AVX2 void anvil_add_int8_linear__avx2(const anvil_add_int8_linear_parameters *parameters,
                                      const int8_t *input1, const int8_t *input2, int8_t *output) {
  const int32_t n = parameters->n_elements;
  const linear l = {.multiplier1 = _mm256_set1_epi32(parameters->multiplier1),
                    .multiplier2 = _mm256_set1_epi32(parameters->multiplier2),
                    .start = _mm256_set1_epi32(parameters->start),
                    .shift = _mm_cvtsi32_si128(16 - parameters->last_shift)};
  if (n < LANES) {
    int8_t values1[LANES] = {0};
    int8_t values2[LANES] = {0};
    int8_t sums[LANES];
    for (int32_t i = 0; i < n; ++i) {
      values1[i] = input1[i];
      values2[i] = input2[i];
    }
    _mm_storeu_si128((__m128i *)sums, add_16(values1, values2, &l));
    for (int32_t i = 0; i < n; ++i) {
      output[i] = sums[i];
    }
    return;
  }
  /* The last ones overlap those before, and the output may lie over an input: they are read before
   * anything is written. */
  const __m128i last = add_16(input1 + n - LANES, input2 + n - LANES, &l);
  for (int32_t i = 0; i + LANES <= n; i += LANES) {
    _mm_storeu_si128((__m128i *)(output + i), add_16(input1 + i, input2 + i, &l));
  }
  _mm_storeu_si128((__m128i *)(output + n - LANES), last);
}
