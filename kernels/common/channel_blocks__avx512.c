#include "common/channel_blocks__avx512.h"

/* All windows of a few pixels by one block of channels or two. */
ANVIL_AVX512_INLINE void pixels_of(const anvil_windows *w, const anvil_channels *c, int32_t channel,
                                   int32_t n_pixels, int32_t n_blocks, int8_t *output) {
  const int32_t block_bytes = w->n_runs * w->n_steps * ANVIL_BLOCK_STEP;
  const int8_t *weights = c->weights + (int64_t)(channel / ANVIL_BLOCK) * block_bytes;
  int64_t starts[ANVIL_PIXELS];
  __m512i sums[2][ANVIL_PIXELS];
#pragma GCC unroll 8
  for (int32_t i = 0; i < ANVIL_PIXELS; ++i) {
    starts[i] = (int64_t)(i < n_pixels ? i : n_pixels - 1) * w->pixel_bytes;
#pragma GCC unroll 2
    for (int32_t k = 0; k < n_blocks; ++k) {
      sums[k][i] = _mm512_loadu_si512(c->bias + channel + k * ANVIL_BLOCK);
    }
  }
  for (int32_t run = 0; run < w->n_runs; ++run) {
    const uint8_t *values = w->first + w->runs[run];
    for (int32_t step = 0; step < w->n_steps; ++step) {
      __m512i by_block[2];
#pragma GCC unroll 2
      for (int32_t k = 0; k < n_blocks; ++k) {
        by_block[k] = _mm512_loadu_si512(weights + (int64_t)k * block_bytes);
      }
#pragma GCC unroll 8
      for (int32_t i = 0; i < ANVIL_PIXELS; ++i) {
        const __m512i quad = _mm512_set1_epi32(anvil_bytes4(values + starts[i]));
#pragma GCC unroll 2
        for (int32_t k = 0; k < n_blocks; ++k) {
          sums[k][i] = _mm512_dpbusd_epi32(sums[k][i], quad, by_block[k]);
        }
      }
      values += ANVIL_STEP;
      weights += ANVIL_BLOCK_STEP;
    }
  }
#pragma GCC unroll 2
  for (int32_t k = 0; k < n_blocks; ++k) {
    anvil_store_block(c, channel + k * ANVIL_BLOCK, sums[k], n_pixels, ANVIL_PIXELS, output);
  }
}

ANVIL_AVX512 void anvil_outputs_of_windows__avx512(const anvil_windows *windows,
                                                   const anvil_channels *channels, int32_t n_pixels,
                                                   int8_t *output) {
  anvil_windows w = *windows; /* which no store through `output` can change */
  const anvil_channels c = *channels;
  while (n_pixels > 0) {
    const int32_t n = n_pixels < ANVIL_PIXELS ? n_pixels : ANVIL_PIXELS;
    int32_t channel = 0;
    for (; channel + ANVIL_BLOCK < c.n_channels; channel += 2 * ANVIL_BLOCK) {
      pixels_of(&w, &c, channel, n, 2, output);
    }
    if (channel < c.n_channels) {
      pixels_of(&w, &c, channel, n, 1, output);
    }
    w.first += n * w.pixel_bytes;
    output += n * c.n_channels;
    n_pixels -= n;
  }
}
