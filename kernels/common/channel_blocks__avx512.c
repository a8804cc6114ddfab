#include "common/channel_blocks__avx512.h"

/* As many vectors of sums as hide how long vpdpbusd takes: of each pixel those of two blocks of
 * channels, or of a lone block those of every second step. */
enum { N_SUMS = 2 };

/* All windows of a few pixels by one block of channels or two; the constants n_at_once and n_blocks
 * make a function of their own. */
ANVIL_AVX512_INLINE void pixels_of(const anvil_windows *w, const anvil_channels *c, int32_t channel,
                                   int32_t n_pixels, int32_t n_at_once, int32_t n_blocks,
                                   int8_t *output) {
  const int32_t block_bytes = w->n_runs * w->n_steps * ANVIL_BLOCK_STEP;
  const int32_t steps_at_once = N_SUMS / n_blocks;
  const int8_t *weights = c->weights + (int64_t)(channel / ANVIL_BLOCK) * block_bytes;
  int64_t starts[ANVIL_MOST_PIXELS];
  __m512i sums[N_SUMS][ANVIL_MOST_PIXELS];
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_at_once; ++i) {
    starts[i] = (int64_t)(i < n_pixels ? i : n_pixels - 1) * w->pixel_bytes;
#pragma GCC unroll 2
    for (int32_t k = 0; k < N_SUMS; ++k) {
      sums[k][i] = k < n_blocks ? _mm512_loadu_si512(c->bias + channel + k * ANVIL_BLOCK)
                                : _mm512_setzero_si512();
    }
  }
  for (int32_t run = 0; run < w->n_runs; ++run) {
    const uint8_t *values = w->first + w->runs[run];
    int32_t step = 0;
    for (; step + steps_at_once <= w->n_steps; step += steps_at_once) {
      __m512i by_sum[N_SUMS];
#pragma GCC unroll 2
      for (int32_t k = 0; k < N_SUMS; ++k) {
        by_sum[k] = _mm512_loadu_si512(
            weights + (int64_t)k * (n_blocks > 1 ? block_bytes : ANVIL_BLOCK_STEP));
      }
#pragma GCC unroll 8
      for (int32_t i = 0; i < n_at_once; ++i) {
#pragma GCC unroll 2
        for (int32_t k = 0; k < N_SUMS; ++k) {
          const int32_t ahead = n_blocks > 1 ? 0 : k * ANVIL_STEP;
          const __m512i quad = _mm512_set1_epi32(anvil_bytes4(values + starts[i] + ahead));
          sums[k][i] = _mm512_dpbusd_epi32(sums[k][i], quad, by_sum[k]);
        }
      }
      values += steps_at_once * ANVIL_STEP;
      weights += steps_at_once * ANVIL_BLOCK_STEP;
    }
    if (step < w->n_steps) {
      const __m512i last = _mm512_loadu_si512(weights);
#pragma GCC unroll 8
      for (int32_t i = 0; i < n_at_once; ++i) {
        const __m512i quad = _mm512_set1_epi32(anvil_bytes4(values + starts[i]));
        sums[0][i] = _mm512_dpbusd_epi32(sums[0][i], quad, last);
      }
      weights += ANVIL_BLOCK_STEP;
    }
  }
  if (n_blocks == 1) {
#pragma GCC unroll 8
    for (int32_t i = 0; i < n_at_once; ++i) {
      sums[0][i] = _mm512_add_epi32(sums[0][i], sums[1][i]);
    }
  }
#pragma GCC unroll 2
  for (int32_t k = 0; k < n_blocks; ++k) {
    anvil_store_block(c, channel + k * ANVIL_BLOCK, sums[k], n_pixels, n_at_once, output);
  }
}

ANVIL_AVX512_INLINE void channels_of(const anvil_windows *w, const anvil_channels *c,
                                     int32_t n_pixels, int32_t n_at_once, int8_t *output) {
  int32_t channel = 0;
  for (; channel + ANVIL_BLOCK < c->n_channels; channel += 2 * ANVIL_BLOCK) {
    pixels_of(w, c, channel, n_pixels, n_at_once, 2, output);
  }
  if (channel < c->n_channels) {
    pixels_of(w, c, channel, n_pixels, n_at_once, 1, output);
  }
}

ANVIL_AVX512 void anvil_outputs_of_windows__avx512(const anvil_windows *windows,
                                                   const anvil_channels *channels, int32_t n_pixels,
                                                   int8_t *output) {
  anvil_windows w = *windows; /* which no store through `output` can change */
  const anvil_channels c = *channels;
  while (n_pixels > 0) {
    const int32_t at_once = anvil_pixels_at_once(n_pixels);
    const int32_t n = n_pixels < at_once ? n_pixels : at_once;
    if (at_once == ANVIL_MOST_PIXELS) {
      channels_of(&w, &c, n, ANVIL_MOST_PIXELS, output);
    } else {
      channels_of(&w, &c, n, ANVIL_PIXELS, output);
    }
    w.first += n * w.pixel_bytes;
    output += n * c.n_channels;
    n_pixels -= n;
  }
}
