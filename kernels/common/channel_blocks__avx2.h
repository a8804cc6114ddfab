/* int8 dot products of several pixels with blocks of 8 output channels, on AVX2 and AVX-VNNI.
 *
 * Activations are made unsigned by adding 128, which the biases take off again, since vpdpbusd
 * multiplies unsigned bytes by signed ones. Without it they are widened to 16 bits, which
 * vpmaddwd multiplies exactly. The same constants do for both, in the layout byte_blocks. */
#ifndef ANVIL_COMMON_CHANNEL_BLOCKS_AVX2_H
#define ANVIL_COMMON_CHANNEL_BLOCKS_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#define ANVIL_AVX2 __attribute__((target("avx2")))
#define ANVIL_AVX2_INLINE static inline __attribute__((always_inline, target("avx2")))

enum {
  ANVIL_BLOCK = 8,  /* channels of a block, 32-bit sums of a vector */
  ANVIL_STEP = 4,   /* products of one step: bytes of a 32-bit sum's place */
  ANVIL_PIXELS = 6, /* what registers hold the sums of, for two blocks */
  ANVIL_BLOCK_STEP = ANVIL_BLOCK * ANVIL_STEP
};

/* Where the taps of a row of windows lie: runs of neighbouring values in a ring of rows. */
typedef struct {
  const uint8_t *rows; /* bytes, or 16-bit words where value_bytes is 2 */
  int32_t value_bytes;
  int32_t row_bytes;
  int32_t n_rows;    /* of the ring */
  int32_t first_row; /* in which the windows start */
  int32_t row_step;  /* rows between taps */
  int32_t n_tap_rows;
  int32_t n_tap_runs;  /* of one row of taps */
  int32_t run_bytes;   /* from one run to the next */
  int32_t n_steps;     /* of one run */
  int32_t pixel_bytes; /* from one window to the next */
} anvil_windows;

/* What makes outputs of sums, with arrays that are filled up to whole blocks. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multiplier;
  const int64_t *rounding;
  const int32_t *shift;
  int32_t n_channels;
  int32_t halves_away; /* also below 0, where it shows */
  int32_t zero_point;
  int32_t least;
  int32_t greatest;
} anvil_channels;

/* sums += the four products of each 32-bit place. The instruction is written out because a
 * function that is inlined into others cannot ask for more than they have; only callers that
 * know the processor has it get here. */
ANVIL_AVX2_INLINE __m256i anvil_add_quads(__m256i sums, __m256i bytes, __m256i weights) {
  __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(bytes), "x"(weights));
  return sums;
}

ANVIL_AVX2_INLINE int32_t anvil_bytes4(const uint8_t *from) {
  int32_t value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

ANVIL_AVX2_INLINE int64_t anvil_bytes8(const uint8_t *from) {
  int64_t value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

/* Of six addresses at even distances; two pointers and one distance in registers do for all. */
ANVIL_AVX2_INLINE const uint8_t *anvil_at(const uint8_t *first, const uint8_t *fourth,
                                          int64_t distance, int32_t i) {
  return i < 3 ? first + i * distance : fourth + (i - 3) * distance;
}

/* Sums of n_pixels windows, n_blocks of 8 channels each, the biases included. */
ANVIL_AVX2_INLINE void anvil_sums_vnni(const anvil_windows *w, const uint8_t *first,
                                       const int8_t *weights, int32_t block_bytes,
                                       const int32_t *bias, int32_t n_pixels, int32_t n_blocks,
                                       __m256i sums[ANVIL_PIXELS][2]) {
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    const __m256i start = _mm256_loadu_si256((const __m256i *)(bias + k * ANVIL_BLOCK));
#pragma GCC unroll 8
    for (int32_t i = 0; i < n_pixels; ++i) {
      sums[i][k] = start;
    }
  }
  const int64_t distance = w->pixel_bytes;
  int32_t row = w->first_row;
  for (int32_t tap_row = 0; tap_row < w->n_tap_rows; ++tap_row) {
    const uint8_t *run = first + (int64_t)row * w->row_bytes;
    for (int32_t tap_run = 0; tap_run < w->n_tap_runs; ++tap_run) {
      const uint8_t *values = run;
      const uint8_t *fourth = run + 3 * distance;
      for (int32_t step = 0; step < w->n_steps; ++step) {
        __m256i by_block[2];
#pragma GCC unroll 8
        for (int32_t k = 0; k < n_blocks; ++k) {
          by_block[k] = _mm256_loadu_si256((const __m256i *)(weights + k * block_bytes));
        }
#pragma GCC unroll 8
        for (int32_t i = 0; i < n_pixels; ++i) {
          const __m256i quad =
              _mm256_set1_epi32(anvil_bytes4(anvil_at(values, fourth, distance, i)));
#pragma GCC unroll 8
          for (int32_t k = 0; k < n_blocks; ++k) {
            sums[i][k] = anvil_add_quads(sums[i][k], quad, by_block[k]);
          }
        }
        values += ANVIL_STEP;
        fourth += ANVIL_STEP;
        weights += ANVIL_BLOCK_STEP;
      }
      run += w->run_bytes;
    }
    row += w->row_step;
    row -= row >= w->n_rows ? w->n_rows : 0;
  }
}

/* The sums of a block from those of every two products: channels 0..3 low, 4..7 high. */
ANVIL_AVX2_INLINE __m256i anvil_sums_of_pairs(__m256i low, __m256i high, const int32_t *bias) {
  /* Channels 0 1 4 5 | 2 3 6 7. */
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xD8);
  return _mm256_add_epi32(sums, _mm256_loadu_si256((const __m256i *)bias));
}

/* The same of one block by vpmaddwd, whose sums are of two products. */
ANVIL_AVX2_INLINE void anvil_sums_words(const anvil_windows *w, const uint8_t *first,
                                        const int8_t *weights, const int32_t *bias,
                                        int32_t n_pixels, int32_t block,
                                        __m256i sums[ANVIL_PIXELS][2]) {
  __m256i low[ANVIL_PIXELS];
  __m256i high[ANVIL_PIXELS];
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_pixels; ++i) {
    low[i] = _mm256_setzero_si256();
    high[i] = _mm256_setzero_si256();
  }
  const int64_t distance = w->pixel_bytes;
  int32_t row = w->first_row;
  for (int32_t tap_row = 0; tap_row < w->n_tap_rows; ++tap_row) {
    const uint8_t *run = first + (int64_t)row * w->row_bytes;
    for (int32_t tap_run = 0; tap_run < w->n_tap_runs; ++tap_run) {
      const uint8_t *values = run;
      const uint8_t *fourth = run + 3 * distance;
      for (int32_t step = 0; step < w->n_steps; ++step) {
        const __m256i of_low = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)weights));
        const __m256i of_high =
            _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(weights + 16)));
#pragma GCC unroll 8
        for (int32_t i = 0; i < n_pixels; ++i) {
          const __m256i four =
              _mm256_set1_epi64x(anvil_bytes8(anvil_at(values, fourth, distance, i)));
          low[i] = _mm256_add_epi32(low[i], _mm256_madd_epi16(four, of_low));
          high[i] = _mm256_add_epi32(high[i], _mm256_madd_epi16(four, of_high));
        }
        values += 2 * ANVIL_STEP;
        fourth += 2 * ANVIL_STEP;
        weights += ANVIL_BLOCK_STEP;
      }
      run += w->run_bytes;
    }
    row += w->row_step;
    row -= row >= w->n_rows ? w->n_rows : 0;
  }
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_pixels; ++i) {
    sums[i][block] = anvil_sums_of_pairs(low[i], high[i], bias);
  }
}

/* How the sums of a block are rescaled: vpmuludq takes every second one. */
typedef struct {
  __m256i multiplier[2];
  __m256i rounding[2];
  __m256i shift;
} anvil_rescale;

ANVIL_AVX2_INLINE anvil_rescale anvil_rescale_of(const anvil_channels *c, int32_t channel) {
  anvil_rescale r;
  r.multiplier[0] = _mm256_loadu_si256((const __m256i *)(c->multiplier + channel));
  r.multiplier[1] = _mm256_srli_epi64(r.multiplier[0], 32);
  r.rounding[0] = _mm256_loadu_si256((const __m256i *)(c->rounding + channel));
  r.rounding[1] = _mm256_loadu_si256((const __m256i *)(c->rounding + channel + 4));
  r.shift = _mm256_loadu_si256((const __m256i *)(c->shift + channel));
  return r;
}

/* Sums that have 2^31 added, as outputs without their zero point; see wide_rescale.py. */
ANVIL_AVX2_INLINE __m256i anvil_rescaled(__m256i sums, const anvil_rescale *r,
                                         int32_t halves_away) {
  const __m256i even = _mm256_mul_epu32(sums, r->multiplier[0]);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(sums, 32), r->multiplier[1]);
  const __m256i even_high = _mm256_srli_epi64(_mm256_add_epi64(even, r->rounding[0]), 32);
  __m256i high = _mm256_blend_epi32(even_high, _mm256_add_epi64(odd, r->rounding[1]), 0xAA);
  if (halves_away) {
    high = _mm256_add_epi32(high, _mm256_cmpgt_epi32(sums, _mm256_set1_epi32(-1)));
  }
  return _mm256_srav_epi32(high, r->shift);
}

ANVIL_AVX2_INLINE void anvil_store(int8_t *to, __m128i bytes, int32_t n) {
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

/* Outputs of n_pixels pixels in 16 channels from `channel` on; of the last, as many as exist. */
ANVIL_AVX2_INLINE void anvil_store_pixels(const anvil_channels *c, __m256i sums[ANVIL_PIXELS][2],
                                          int32_t channel, int32_t n_pixels, int32_t n_blocks,
                                          int8_t *output) {
  const __m256i zero_point = _mm256_set1_epi16((int16_t)c->zero_point);
  const __m256i least = _mm256_set1_epi8((int8_t)c->least);
  const __m256i greatest = _mm256_set1_epi8((int8_t)c->greatest);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const int32_t rest = c->n_channels - channel;
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_blocks; ++k) {
    const anvil_rescale rescale = anvil_rescale_of(c, channel + k * ANVIL_BLOCK);
#pragma GCC unroll 8
    for (int32_t i = 0; i < n_pixels; ++i) {
      sums[i][k] = anvil_rescaled(sums[i][k], &rescale, c->halves_away);
    }
  }
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_pixels; i += 2) {
    const int32_t j = i + 1 < n_pixels ? i + 1 : i;
    const int32_t k = n_blocks - 1; /* a block alone is stored as the first of two */
    const __m256i one = _mm256_adds_epi16(_mm256_packs_epi32(sums[i][0], sums[i][k]), zero_point);
    const __m256i other = _mm256_adds_epi16(_mm256_packs_epi32(sums[j][0], sums[j][k]), zero_point);
    /* Pixels i, j of channels 0..3 and 8..11, then of 4..7 and 12..15. */
    __m256i bytes = _mm256_packs_epi16(one, other);
    bytes = _mm256_min_epi8(_mm256_max_epi8(bytes, least), greatest);
    bytes = _mm256_permutevar8x32_epi32(bytes, order);
    anvil_store(output + i * c->n_channels + channel, _mm256_castsi256_si128(bytes), rest);
    if (j > i) {
      anvil_store(output + j * c->n_channels + channel, _mm256_extracti128_si256(bytes, 1), rest);
    }
  }
}

/* All channels of n_pixels neighbouring pixels, whose windows start at `first`. */
ANVIL_AVX2_INLINE void anvil_pixels_of(const anvil_windows *w, const anvil_channels *c,
                                       const uint8_t *first, int32_t n_pixels, int8_t *output) {
  const int32_t block_bytes = w->n_tap_rows * w->n_tap_runs * w->n_steps * ANVIL_BLOCK_STEP;
  const int8_t *weights = c->weights;
  for (int32_t channel = 0; channel < c->n_channels; channel += 2 * ANVIL_BLOCK) {
    __m256i sums[ANVIL_PIXELS][2];
    const int32_t *bias = c->bias + channel;
    const int32_t n_blocks = c->n_channels - channel > ANVIL_BLOCK ? 2 : 1;
    if (w->value_bytes == 1) {
      if (n_blocks == 2) {
        anvil_sums_vnni(w, first, weights, block_bytes, bias, n_pixels, 2, sums);
      } else {
        anvil_sums_vnni(w, first, weights, block_bytes, bias, n_pixels, 1, sums);
      }
    } else {
      anvil_sums_words(w, first, weights, bias, n_pixels, 0, sums);
      if (n_blocks == 2) {
        anvil_sums_words(w, first, weights + block_bytes, bias + ANVIL_BLOCK, n_pixels, 1, sums);
      }
    }
    if (n_blocks == 2) {
      anvil_store_pixels(c, sums, channel, n_pixels, 2, output);
    } else {
      anvil_store_pixels(c, sums, channel, n_pixels, 1, output);
    }
    weights += 2 * block_bytes;
  }
}

/* The same of any number of pixels. */
ANVIL_AVX2_INLINE void anvil_row_of(const anvil_windows *w, const anvil_channels *c,
                                    int32_t n_pixels, int8_t *output) {
  const uint8_t *first = w->rows;
  for (; n_pixels >= ANVIL_PIXELS; n_pixels -= ANVIL_PIXELS) {
    anvil_pixels_of(w, c, first, ANVIL_PIXELS, output);
    first += ANVIL_PIXELS * w->pixel_bytes;
    output += ANVIL_PIXELS * c->n_channels;
  }
  switch (n_pixels) {
    case 5:
      anvil_pixels_of(w, c, first, 5, output);
      break;
    case 4:
      anvil_pixels_of(w, c, first, 4, output);
      break;
    case 3:
      anvil_pixels_of(w, c, first, 3, output);
      break;
    case 2:
      anvil_pixels_of(w, c, first, 2, output);
      break;
    case 1:
      anvil_pixels_of(w, c, first, 1, output);
      break;
    default:
      break;
  }
}

/* `values` + 128 as bytes, or as words of 16 bits. */
ANVIL_AVX2_INLINE void anvil_unsigned(const int8_t *values, int32_t n, int32_t value_bytes,
                                      uint8_t *to) {
  int32_t i = 0;
  const __m128i half = _mm_set1_epi8(-128);
  for (; i + 16 <= n; i += 16) {
    const __m128i bytes = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(values + i)), half);
    if (value_bytes == 1) {
      _mm_storeu_si128((__m128i *)(to + i), bytes);
    } else {
      _mm256_storeu_si256((__m256i *)(to + 2 * i), _mm256_cvtepu8_epi16(bytes));
    }
  }
  for (; i < n; ++i) {
    const uint8_t value = (uint8_t)(values[i] ^ -128);
    to[value_bytes * i] = value;
    if (value_bytes == 2) {
      to[2 * i + 1] = 0;
    }
  }
}

#endif
