#include "common/channel_blocks__avx512.h"
#include "depthwise_conv_2d/column_sums__avx2.h"

/* All windows of a few pixels in a block of channels. */
ANVIL_AVX512_INLINE void pixels_of(const anvil_columns *l, const anvil_channels *c,
                                   const uint8_t *first, int32_t channel, int32_t n_pixels,
                                   int8_t *output) {
  const int32_t block_bytes = l->n_groups * l->n_taps * ANVIL_BLOCK_STEP;
  const int8_t *weights = c->weights + (int64_t)(channel / ANVIL_BLOCK) * block_bytes;
  const int32_t rest = c->n_channels - channel;
  /* There may be no memory for the second half of the last block. */
  const __mmask16 halves = (__mmask16)(rest > ANVIL_HALF ? 0xFFFF : 0xFF);
  const __m128i slide = _mm_cvtsi32_si128(8 * l->slide);
  int64_t starts[ANVIL_PIXELS];
  __m512i sums[ANVIL_PIXELS];
#pragma GCC unroll 8
  for (int32_t i = 0; i < ANVIL_PIXELS; ++i) {
    starts[i] = (int64_t)(i < n_pixels ? i : n_pixels - 1) * l->pixel_bytes;
    sums[i] = _mm512_loadu_si512(c->bias + channel);
  }
  for (int32_t group = 0; group < l->n_groups; ++group) {
    const uint8_t *column = first;
    for (int32_t tap = 0; tap < l->n_taps; ++tap) {
      const __m512i w = _mm512_sll_epi32(_mm512_loadu_si512(weights), slide);
#pragma GCC unroll 8
      for (int32_t i = 0; i < ANVIL_PIXELS; ++i) {
        const __m512i quads = _mm512_maskz_loadu_epi32(halves, column + starts[i]);
        sums[i] = _mm512_dpbusd_epi32(sums[i], quads, w);
      }
      column += l->tap_bytes;
      weights += ANVIL_BLOCK_STEP;
    }
    first += l->group_bytes;
  }
  anvil_store_block(c, channel, sums, n_pixels, ANVIL_PIXELS, output);
}

ANVIL_AVX512 void anvil_outputs_of_columns__avx512(const anvil_columns *columns,
                                                   const anvil_channels *channels, int32_t begin,
                                                   int32_t end, int32_t n_pixels, int8_t *output) {
  const anvil_columns l = *columns; /* which no store through `output` can change */
  const anvil_channels c = *channels;
  const uint8_t *first = l.first;
  while (n_pixels > 0) {
    const int32_t n = n_pixels < ANVIL_PIXELS ? n_pixels : ANVIL_PIXELS;
    for (int32_t channel = begin; channel < end; channel += ANVIL_BLOCK) {
      pixels_of(&l, &c, first + (channel - begin) * ANVIL_STEP, channel, n, output);
    }
    first += n * l.pixel_bytes;
    output += n * c.n_channels;
    n_pixels -= n;
  }
}

ANVIL_AVX512 void anvil_interleave__avx512(const int8_t *const rows[4], int32_t n, int32_t flipped,
                                           uint8_t *to) {
  enum { XOR_OF_THREE = 0x96, AT_ONCE = 16 };
  const __m512i flip = _mm512_set1_epi8((int8_t)flipped);
  for (int32_t i = 0; i < n; i += AT_ONCE) {
    const __mmask16 mask = (__mmask16)(n - i < AT_ONCE ? (1 << (n - i)) - 1 : 0xFFFF);
    __m512i of[4];
#pragma GCC unroll 4
    for (int32_t k = 0; k < 4; ++k) {
      const __m128i bytes = _mm_maskz_loadu_epi8(mask, rows[k] + i);
      of[k] = _mm512_slli_epi32(_mm512_cvtepu8_epi32(bytes), 8 * (unsigned)k);
    }
    const __m512i three = _mm512_ternarylogic_epi32(of[0], of[1], of[2], XOR_OF_THREE);
    /* In whole vectors, which can be read again before they have reached the cache. */
    _mm512_mask_storeu_epi32(to + 4 * i, mask,
                             _mm512_ternarylogic_epi32(three, of[3], flip, XOR_OF_THREE));
  }
}
