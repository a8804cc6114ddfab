#include "common/channel_blocks__avx512.h"
#include "depthwise_conv_2d/column_sums__avx2.h"

/* A vector holds the sums of four channels of four pixels, so that the four values of each are
 * interleaved where they are multiplied, and never stored. */
enum { LANES = 4 };

ANVIL_AVX512_INLINE __m512i to_lanes(const void *from) {
  return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)from));
}

ANVIL_AVX512_INLINE void sums_of(const uint8_t *pixels, int32_t n_groups, int32_t dilation,
                                 const int8_t *weights, const int32_t *bias, __m512i sums[LANES]) {
  const int64_t distance = (int64_t)dilation * ANVIL_BLOCK;
#pragma GCC unroll 4
  for (int32_t j = 0; j < LANES; ++j) {
    sums[j] = to_lanes(bias + LANES * j);
  }
  for (int32_t group = 0; group < n_groups; ++group) {
    const __m512i a = _mm512_loadu_si512(pixels);
    const __m512i b = _mm512_loadu_si512(pixels + distance);
    const __m512i c = _mm512_loadu_si512(pixels + 2 * distance);
    const __m512i d = _mm512_loadu_si512(pixels + 3 * distance);
    const __m512i low[2] = {_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d)};
    const __m512i high[2] = {_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d)};
    const __m512i quads[LANES] = {
        _mm512_unpacklo_epi16(low[0], low[1]), _mm512_unpackhi_epi16(low[0], low[1]),
        _mm512_unpacklo_epi16(high[0], high[1]), _mm512_unpackhi_epi16(high[0], high[1])};
#pragma GCC unroll 4
    for (int32_t j = 0; j < LANES; ++j) {
      sums[j] = _mm512_dpbusd_epi32(sums[j], quads[j], to_lanes(weights + LANES * ANVIL_STEP * j));
    }
    pixels += 4 * distance;
    weights += ANVIL_BLOCK_STEP;
  }
}

/* By the constants that do not fit lanes. */
ANVIL_AVX512_INLINE void store_wide(const anvil_channels *c, int32_t channel, int32_t n_pixels,
                                    const __m512i sums[LANES], int8_t *output) {
  int32_t in_lanes[LANES][LANES][LANES];
  int32_t stored[LANES * ANVIL_BLOCK];
#pragma GCC unroll 4
  for (int32_t j = 0; j < LANES; ++j) {
    _mm512_storeu_si512(in_lanes[j], sums[j]);
  }
  for (int32_t i = 0; i < LANES * ANVIL_BLOCK; ++i) {
    stored[i] = in_lanes[i % ANVIL_BLOCK / LANES][i / ANVIL_BLOCK][i % LANES];
  }
  anvil_store_sums__avx2(c, channel, n_pixels, stored, output);
}

/* All pixels of a block of channels, with what rescales them in registers. */
ANVIL_AVX512_INLINE void pixels_of(const uint8_t *pixels, int32_t n_groups, int32_t dilation,
                                   const int8_t *weights, const anvil_channels *c, int32_t channel,
                                   int32_t n_pixels, int32_t is_symmetric, int8_t *output) {
  const int32_t *rows = c->rescale + channel * (is_symmetric ? 3 : 2);
  const anvil_limits limits = anvil_limits_of(c);
  const __mmask16 mask = anvil_block_mask(c, channel);
  anvil_fused f[LANES];
#pragma GCC unroll 4
  for (int32_t j = 0; j < LANES; ++j) {
    f[j].scale = _mm512_castsi512_ps(to_lanes(rows + LANES * j));
    f[j].added = _mm512_castsi512_ps(to_lanes(rows + ANVIL_BLOCK + LANES * j));
    f[j].lifted =
        is_symmetric ? to_lanes(rows + 2 * ANVIL_BLOCK + LANES * j) : _mm512_setzero_si512();
  }
  for (; n_pixels > 0; n_pixels -= LANES) {
    __m512i sums[LANES];
    sums_of(pixels, n_groups, dilation, weights, c->bias + channel, sums);
#pragma GCC unroll 4
    for (int32_t j = 0; j < LANES; ++j) {
      sums[j] = anvil_fused_outputs(sums[j], &f[j], &limits, is_symmetric);
    }
    anvil_store_quarters(anvil_bytes_by_quarters(sums, &limits), mask, n_pixels, c->n_channels,
                         output + channel);
    pixels += LANES * ANVIL_BLOCK;
    output += LANES * c->n_channels;
  }
}

ANVIL_AVX512 void anvil_outputs_of_line__avx512(const uint8_t *pixels, int32_t n_groups,
                                                int32_t dilation, const anvil_channels *channels,
                                                int32_t channel, int32_t n_pixels, int8_t *output) {
  const anvil_channels c = *channels; /* which no store through `output` can change */
  const int8_t *weights =
      c.weights + (int64_t)(channel / ANVIL_BLOCK) * n_groups * ANVIL_BLOCK_STEP;
  if (c.form == ANVIL_FUSED) {
    pixels_of(pixels, n_groups, dilation, weights, &c, channel, n_pixels, 0, output);
    return;
  }
  if (c.form == ANVIL_FUSED_SYMMETRIC) {
    pixels_of(pixels, n_groups, dilation, weights, &c, channel, n_pixels, 1, output);
    return;
  }
  for (; n_pixels > 0; n_pixels -= LANES) {
    __m512i sums[LANES];
    sums_of(pixels, n_groups, dilation, weights, c.bias + channel, sums);
    store_wide(&c, channel, n_pixels < LANES ? n_pixels : LANES, sums, output);
    pixels += LANES * ANVIL_BLOCK;
    output += LANES * c.n_channels;
  }
}
