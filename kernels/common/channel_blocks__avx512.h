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
  __m512i zero_point;
  __m128i least;
  __m128i greatest;
  __mmask16 channels; /* that exist */
} anvil_fused;

ANVIL_AVX512_INLINE anvil_fused anvil_fused_of(const anvil_channels *c, int32_t channel) {
  const int32_t is_symmetric = c->form == ANVIL_FUSED_SYMMETRIC;
  const int32_t *rows = c->rescale + channel * (is_symmetric ? 3 : 2);
  const int32_t rest = c->n_channels - channel;
  anvil_fused f;
  f.scale = _mm512_loadu_ps((const float *)rows);
  f.added = _mm512_loadu_ps((const float *)(rows + ANVIL_BLOCK));
  f.lifted = is_symmetric ? _mm512_loadu_si512(rows + 2 * ANVIL_BLOCK) : _mm512_setzero_si512();
  f.zero_point = _mm512_set1_epi32(is_symmetric ? c->zero_point : 0);
  f.least = _mm_set1_epi8((int8_t)c->least);
  f.greatest = _mm_set1_epi8((int8_t)c->greatest);
  f.channels = (__mmask16)(rest >= ANVIL_BLOCK ? 0xFFFF : (1 << rest) - 1);
  return f;
}

ANVIL_AVX512_INLINE __m128i anvil_fused_bytes(__m512i sums, const anvil_fused *f,
                                              int32_t is_symmetric) {
  const __m512i fused_bits = _mm512_set1_epi32(0x4B400000); /* see store_sums__avx2.c */
  const __m512i lifted = is_symmetric ? _mm512_add_epi32(_mm512_abs_epi32(sums), f->lifted) : sums;
  const __m512 values = _mm512_fmadd_ps(_mm512_cvtepi32_ps(lifted), f->scale, f->added);
  __m512i outputs = _mm512_sub_epi32(_mm512_castps_si512(values), fused_bits);
  if (is_symmetric) {
    outputs =
        _mm512_mask_sub_epi32(outputs, _mm512_movepi32_mask(sums), _mm512_setzero_si512(), outputs);
    outputs = _mm512_add_epi32(outputs, f->zero_point);
  }
  const __m128i bytes = _mm512_cvtsepi32_epi8(outputs);
  return _mm_min_epi8(_mm_max_epi8(bytes, f->least), f->greatest);
}

/* The outputs of a block of one pixel. */
ANVIL_AVX512_INLINE void anvil_store_bytes(__m128i bytes, const anvil_fused *f, int8_t *output) {
  if (f->channels == 0xFFFF) {
    _mm_storeu_si128((__m128i *)output, bytes);
  } else {
    _mm_mask_storeu_epi8(output, f->channels, bytes);
  }
}

/* The outputs of n_pixels pixels, of n_body sums, in a block. */
ANVIL_AVX512_INLINE void anvil_store_block(const anvil_channels *c, int32_t channel,
                                           const __m512i *sums, int32_t n_pixels, int32_t n_body,
                                           int8_t *output) {
  output += channel;
  if (c->form > ANVIL_FUSED_SYMMETRIC) {
    int32_t stored[ANVIL_PIXELS * ANVIL_BLOCK] __attribute__((aligned(64)));
#pragma GCC unroll 8
    for (int32_t i = 0; i < n_body; ++i) {
      _mm512_store_si512(stored + i * ANVIL_BLOCK, sums[i]);
    }
    anvil_store_sums__avx2(c, channel, n_pixels, stored, output - channel);
    return;
  }
  const anvil_fused f = anvil_fused_of(c, channel);
  if (c->form == ANVIL_FUSED) {
#pragma GCC unroll 8
    for (int32_t i = 0; i < n_body; ++i) {
      if (i < n_pixels) {
        anvil_store_bytes(anvil_fused_bytes(sums[i], &f, 0), &f, output + i * c->n_channels);
      }
    }
    return;
  }
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_body; ++i) {
    if (i < n_pixels) {
      anvil_store_bytes(anvil_fused_bytes(sums[i], &f, 1), &f, output + i * c->n_channels);
    }
  }
}

#endif
