#include "common/channel_blocks__avx2.h"

/* Of 1.5 * 2^23 + n, for small n, the bits as an integer are n more than of 1.5 * 2^23. */
static const int32_t fused_bits = 0x4B400000;

enum { MOST_ROWS = 4 };

/* Of half a block; which row is what depends on the form. */
typedef struct {
  __m256i rows[MOST_ROWS];
} rescale;

ANVIL_AVX2_INLINE rescale rescale_of(const anvil_channels *c, int32_t form, int32_t channel) {
  const int32_t n_rows = form == ANVIL_FUSED ? 2 : form == ANVIL_FUSED_SYMMETRIC ? 3 : MOST_ROWS;
  rescale r;
#pragma GCC unroll 4
  for (int32_t i = 0; i < n_rows; ++i) {
    const int32_t row = channel / ANVIL_BLOCK * n_rows + i;
    r.rows[i] = anvil_load(c->rescale + row * ANVIL_BLOCK + channel % ANVIL_BLOCK);
  }
  return r;
}

ANVIL_AVX2_INLINE __m256i fused(__m256i sums, const rescale *r) {
  const __m256 values = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums), _mm256_castsi256_ps(r->rows[0]),
                                        _mm256_castsi256_ps(r->rows[1]));
  return _mm256_sub_epi32(_mm256_castps_si256(values), _mm256_set1_epi32(fused_bits));
}

/* Outputs that are not saturated yet; without their zero point but for ANVIL_FUSED. */
ANVIL_AVX2_INLINE __m256i rescaled(__m256i sums, const rescale *r, int32_t form) {
  if (form == ANVIL_FUSED) {
    return fused(sums, r);
  }
  if (form == ANVIL_FUSED_SYMMETRIC) {
    const __m256i lifted = _mm256_add_epi32(_mm256_abs_epi32(sums), r->rows[2]);
    return _mm256_sign_epi32(fused(lifted, r), sums);
  }
  /* vpmuludq takes every second one. */
  const __m256i even = _mm256_mul_epu32(sums, r->rows[0]);
  const __m256i odd =
      _mm256_mul_epu32(_mm256_srli_epi64(sums, 32), _mm256_srli_epi64(r->rows[0], 32));
  const __m256i even_high = _mm256_srli_epi64(_mm256_add_epi64(even, r->rows[1]), 32);
  __m256i high = _mm256_blend_epi32(even_high, _mm256_add_epi64(odd, r->rows[2]), 0xAA);
  if (form == ANVIL_WIDE_AWAY) {
    /* The sums have 2^31 added. */
    high = _mm256_add_epi32(high, _mm256_cmpgt_epi32(sums, _mm256_set1_epi32(-1)));
  }
  return _mm256_srav_epi32(high, r->rows[3]);
}

ANVIL_AVX2_INLINE void store(int8_t *to, __m128i bytes, int32_t n) {
  if (n >= 16) {
    _mm_storeu_si128((__m128i *)to, bytes);
    return;
  }
  if (n >= 8) {
    _mm_storel_epi64((__m128i *)to, bytes);
    bytes = _mm_srli_si128(bytes, 8);
    to += 8;
    n -= 8;
  }
  uint64_t rest = (uint64_t)_mm_cvtsi128_si64(bytes);
  for (; n > 0; --n) {
    *to++ = (int8_t)rest;
    rest >>= 8;
  }
}

ANVIL_AVX2_INLINE void store_pixels(const anvil_channels *c, int32_t form, int32_t channel,
                                    int32_t n_pixels, const int32_t *sums, int8_t *output) {
  const int32_t n_channels = c->n_channels;
  const int32_t rest = n_channels - channel;
  const rescale by_half[2] = {rescale_of(c, form, channel),
                              rescale_of(c, form, channel + ANVIL_HALF)};
  const __m256i zero_point = _mm256_set1_epi16((int16_t)(form == ANVIL_FUSED ? 0 : c->zero_point));
  const __m256i least = _mm256_set1_epi8((int8_t)c->least);
  const __m256i greatest = _mm256_set1_epi8((int8_t)c->greatest);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  output += channel;
  for (int32_t i = 0; i < n_pixels; i += 2) {
    const int32_t has_second = i + 1 < n_pixels;
    __m256i words[2];
#pragma GCC unroll 2
    for (int32_t k = 0; k < 2; ++k) {
      const int32_t *of = sums + (k == 0 ? 0 : has_second * ANVIL_BLOCK);
      const __m256i first = rescaled(anvil_load(of), &by_half[0], form);
      const __m256i second = rescaled(anvil_load(of + ANVIL_HALF), &by_half[1], form);
      words[k] = _mm256_adds_epi16(_mm256_packs_epi32(first, second), zero_point);
    }
    /* Both pixels' channels 0..3 and 8..11, then 4..7 and 12..15. */
    __m256i bytes = _mm256_packs_epi16(words[0], words[1]);
    bytes = _mm256_min_epi8(_mm256_max_epi8(bytes, least), greatest);
    bytes = _mm256_permutevar8x32_epi32(bytes, order);
    store(output, _mm256_castsi256_si128(bytes), rest);
    if (has_second) {
      store(output + n_channels, _mm256_extracti128_si256(bytes, 1), rest);
    }
    sums += 2 * ANVIL_BLOCK;
    output += 2 * n_channels;
  }
}

ANVIL_AVX2 void anvil_store_sums__avx2(const anvil_channels *channels, int32_t channel,
                                       int32_t n_pixels, const int32_t *sums, int8_t *output) {
  switch (channels->form) {
    case ANVIL_FUSED:
      store_pixels(channels, ANVIL_FUSED, channel, n_pixels, sums, output);
      break;
    case ANVIL_FUSED_SYMMETRIC:
      store_pixels(channels, ANVIL_FUSED_SYMMETRIC, channel, n_pixels, sums, output);
      break;
    case ANVIL_WIDE:
      store_pixels(channels, ANVIL_WIDE, channel, n_pixels, sums, output);
      break;
    default:
      store_pixels(channels, ANVIL_WIDE_AWAY, channel, n_pixels, sums, output);
      break;
  }
}
