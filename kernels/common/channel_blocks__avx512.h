/* What channel_blocks__avx2.h does, with a block of channels in one vector. */
#ifndef ANVIL_COMMON_CHANNEL_BLOCKS_AVX512_H
#define ANVIL_COMMON_CHANNEL_BLOCKS_AVX512_H

#include "common/channel_blocks__avx2.h"

#define ANVIL_AVX512_TARGET target("avx512f,avx512dq,avx512bw,avx512vl,avx512vnni,fma")
#define ANVIL_AVX512 __attribute__((ANVIL_AVX512_TARGET))
#define ANVIL_AVX512_INLINE static inline __attribute__((always_inline, ANVIL_AVX512_TARGET))

/* As anvil_outputs_of_windows__avx2, which calls it where the processor can. */
void anvil_outputs_of_windows__avx512(const anvil_windows *windows, const anvil_channels *channels,
                                      int32_t n_pixels, int8_t *output);

/* How a block's sums become outputs, where this is the fused form. */
typedef struct {
  __m512 scale;
  __m512 added;
  __m512i lifted; /* of sums, where the form is symmetric */
} anvil_fused;

/* What all blocks have in common. */
typedef struct {
  __m512i zero_point;
  __m512i least;
  __m512i greatest;
} anvil_limits;

ANVIL_AVX512_INLINE anvil_limits anvil_limits_of(const anvil_channels *c) {
  anvil_limits limits;
  limits.zero_point = _mm512_set1_epi32(c->zero_point);
  limits.least = _mm512_set1_epi8((int8_t)c->least);
  limits.greatest = _mm512_set1_epi8((int8_t)c->greatest);
  return limits;
}

/* Of a block from a channel on. */
ANVIL_AVX512_INLINE anvil_fused anvil_fused_of(const anvil_channels *c, int32_t channel,
                                               int32_t is_symmetric) {
  const int32_t *rows = c->rescale + channel * (is_symmetric ? 3 : 2);
  anvil_fused f;
  f.scale = _mm512_loadu_ps((const float *)rows);
  f.added = _mm512_loadu_ps((const float *)(rows + ANVIL_BLOCK));
  f.lifted = is_symmetric ? _mm512_loadu_si512(rows + 2 * ANVIL_BLOCK) : _mm512_setzero_si512();
  return f;
}

/* The channels of a block that exist. */
ANVIL_AVX512_INLINE __mmask16 anvil_block_mask(const anvil_channels *c, int32_t channel) {
  const int32_t rest = c->n_channels - channel;
  return (__mmask16)(rest >= ANVIL_BLOCK ? 0xFFFF : (1 << rest) - 1);
}

/* Outputs that are not limited yet. */
ANVIL_AVX512_INLINE __m512i anvil_fused_outputs(__m512i sums, const anvil_fused *f,
                                                const anvil_limits *limits, int32_t is_symmetric) {
  const __m512i fused_bits = _mm512_set1_epi32(0x4B400000); /* see store_sums__avx2.c */
  const __m512i lifted = is_symmetric ? _mm512_add_epi32(_mm512_abs_epi32(sums), f->lifted) : sums;
  const __m512 values = _mm512_fmadd_ps(_mm512_cvtepi32_ps(lifted), f->scale, f->added);
  __m512i outputs = _mm512_sub_epi32(_mm512_castps_si512(values), fused_bits);
  if (is_symmetric) {
    outputs =
        _mm512_mask_sub_epi32(outputs, _mm512_movepi32_mask(sums), _mm512_setzero_si512(), outputs);
    outputs = _mm512_add_epi32(outputs, limits->zero_point);
  }
  return outputs;
}

/* Bytes of four vectors of outputs. Each quarter has the four values of that quarter of the first
 * vector, then those of the second, and so on. */
ANVIL_AVX512_INLINE __m512i anvil_bytes_by_quarters(const __m512i outputs[4],
                                                    const anvil_limits *limits) {
  const __m512i bytes = _mm512_packs_epi16(_mm512_packs_epi32(outputs[0], outputs[1]),
                                           _mm512_packs_epi32(outputs[2], outputs[3]));
  return _mm512_min_epi8(_mm512_max_epi8(bytes, limits->least), limits->greatest);
}

/* The same bytes, those of each vector in a quarter of their own. */
ANVIL_AVX512_INLINE __m512i anvil_bytes_by_vectors(const __m512i outputs[4],
                                                   const anvil_limits *limits) {
  const __m512i by_vector = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(by_vector, anvil_bytes_by_quarters(outputs, limits));
}

/* The outputs of a block of up to four pixels, a quarter of `bytes` for each. */
ANVIL_AVX512_INLINE void anvil_store_quarters(__m512i bytes, __mmask16 channels, int32_t n_pixels,
                                              int64_t pixel_bytes, int8_t *output) {
  const __m128i by_pixel[4] = {_mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32(bytes, 1),
                               _mm512_extracti32x4_epi32(bytes, 2),
                               _mm512_extracti32x4_epi32(bytes, 3)};
#pragma GCC unroll 4
  for (int32_t i = 0; i < 4; ++i) {
    if (i >= n_pixels) {
      return;
    }
    if (channels == 0xFFFF) {
      _mm_storeu_si128((__m128i *)(output + i * pixel_bytes), by_pixel[i]);
    } else {
      _mm_mask_storeu_epi8(output + i * pixel_bytes, channels, by_pixel[i]);
    }
  }
}

ANVIL_AVX512_INLINE void anvil_store_fused(const anvil_channels *c, int32_t channel,
                                           const __m512i *sums, int32_t n_pixels, int32_t n_body,
                                           int32_t is_symmetric, int8_t *output) {
  const anvil_limits limits = anvil_limits_of(c);
  const __mmask16 channels = anvil_block_mask(c, channel);
  const anvil_fused f = anvil_fused_of(c, channel, is_symmetric);
#pragma GCC unroll 2
  for (int32_t first = 0; first < n_body; first += 4) {
    __m512i outputs[4];
#pragma GCC unroll 4
    for (int32_t i = 0; i < 4; ++i) {
      const int32_t pixel = first + i < n_body ? first + i : n_body - 1;
      outputs[i] = anvil_fused_outputs(sums[pixel], &f, &limits, is_symmetric);
    }
    anvil_store_quarters(anvil_bytes_by_vectors(outputs, &limits), channels, n_pixels - first,
                         c->n_channels, output + (int64_t)first * c->n_channels);
  }
}

/* The outputs of n_pixels pixels, of n_body sums, in a block. */
ANVIL_AVX512_INLINE void anvil_store_block(const anvil_channels *c, int32_t channel,
                                           const __m512i *sums, int32_t n_pixels, int32_t n_body,
                                           int8_t *output) {
  if (c->form == ANVIL_FUSED) {
    anvil_store_fused(c, channel, sums, n_pixels, n_body, 0, output + channel);
  } else if (c->form == ANVIL_FUSED_SYMMETRIC) {
    anvil_store_fused(c, channel, sums, n_pixels, n_body, 1, output + channel);
  } else {
    int32_t stored[ANVIL_MOST_PIXELS * ANVIL_BLOCK] __attribute__((aligned(64)));
#pragma GCC unroll 8
    for (int32_t i = 0; i < n_body; ++i) {
      _mm512_store_si512(stored + i * ANVIL_BLOCK, sums[i]);
    }
    anvil_store_sums__avx2(c, channel, n_pixels, stored, output);
  }
}

#endif
