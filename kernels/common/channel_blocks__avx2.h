/* int8 dot products of several pixels with blocks of 16 output channels, on AVX2 and beyond.
 *
 * Activations are made unsigned by adding 128, which the biases take off again, since vpdpbusd
 * and vpmaddubsw multiply unsigned bytes by signed ones. The same constants do for every way to
 * multiply, in the layouts byte_blocks and byte_columns. */
#ifndef ANVIL_COMMON_CHANNEL_BLOCKS_AVX2_H
#define ANVIL_COMMON_CHANNEL_BLOCKS_AVX2_H

#include <immintrin.h>
#include <stdint.h>

#include "common/x86_level__avx2.h"

#define ANVIL_AVX2 __attribute__((target("avx2,fma")))
#define ANVIL_AVX2_INLINE static inline __attribute__((always_inline, target("avx2,fma")))

enum {
  ANVIL_BLOCK = 16,      /* channels */
  ANVIL_HALF = 8,        /* of a block: the 32-bit sums of a vector */
  ANVIL_STEP = 4,        /* products of one step: bytes of a 32-bit sum's place */
  ANVIL_PIXELS = 6,      /* what registers hold the sums of, for a block */
  ANVIL_MOST_PIXELS = 8, /* those of AVX-512, for two blocks */
  ANVIL_HALF_STEP = ANVIL_HALF * ANVIL_STEP,
  ANVIL_BLOCK_STEP = ANVIL_BLOCK * ANVIL_STEP
};

/* How the four products of a place are added. */
enum {
  ANVIL_BY_BLOCKS, /* vpdpbusd of AVX-512, all 16 channels at once */
  ANVIL_BY_QUADS,  /* vpdpbusd of AVX-VNNI */
  ANVIL_BY_PAIRS,  /* vpmaddubsw, where the weights of no pair can saturate it */
  ANVIL_BY_WORDS   /* vpmaddwd, or whatever else cannot saturate */
};

/* What rescales sums; see the layout byte_rescale. */
enum {
  ANVIL_FUSED,
  ANVIL_FUSED_SYMMETRIC,
  ANVIL_WIDE,
  ANVIL_WIDE_AWAY /* halves are rounded away from zero also below it */
};

/* Windows side by side, of values that have 128 added: bytes, or words where ANVIL_BY_WORDS is the
 * way to multiply. */
typedef struct {
  const uint8_t *first;
  const int32_t *runs; /* where each run of neighbouring values starts in a window's memory */
  int32_t n_runs;
  int32_t n_steps;     /* of a run, ANVIL_STEP values each */
  int32_t pixel_bytes; /* from one window to the next */
} anvil_windows;

/* What makes outputs of sums, with arrays that are filled up to whole blocks. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *rescale;
  int32_t n_channels;
  int32_t form; /* of rescaling */
  int32_t way;  /* of multiplying */
  int32_t zero_point;
  int32_t least;
  int32_t greatest;
} anvil_channels;

/* All channels of n_pixels windows, of which any number may be read before the first output is
 * written. */
void anvil_outputs_of_windows__avx2(const anvil_windows *windows, const anvil_channels *channels,
                                    int32_t n_pixels, int8_t *output);

/* Outputs of n_pixels pixels in a block, or what there is of it, of channels from `channel` on. Of
 * each pixel there are ANVIL_BLOCK sums. */
void anvil_store_sums__avx2(const anvil_channels *channels, int32_t channel, int32_t n_pixels,
                            const int32_t *sums, int8_t *output);

static inline int32_t anvil_way_to_multiply(int32_t fits_pairs) {
  switch (anvil_x86_level()) {
    case ANVIL_X86_AVX512VNNI:
      return ANVIL_BY_BLOCKS;
    case ANVIL_X86_AVXVNNI:
      return ANVIL_BY_QUADS;
    default:
      return fits_pairs ? ANVIL_BY_PAIRS : ANVIL_BY_WORDS;
  }
}

/* How many of n_pixels AVX-512 takes next: 9 to 12 are twice the fewer, since sums of pixels that
 * are not there cost as much as others. */
static inline int32_t anvil_pixels_at_once(int32_t n_pixels) {
  const int32_t takes_most =
      n_pixels > ANVIL_PIXELS && (n_pixels <= ANVIL_MOST_PIXELS || n_pixels > 2 * ANVIL_PIXELS);
  return takes_most ? ANVIL_MOST_PIXELS : ANVIL_PIXELS;
}

/* sums += the four products of each 32-bit place. vpdpbusd is written out because a function that
 * is inlined into others cannot ask for more than they have; only callers that know the processor
 * has it get here. */
ANVIL_AVX2_INLINE __m256i anvil_add_products(__m256i sums, __m256i bytes, __m256i weights,
                                             int32_t way) {
  if (way == ANVIL_BY_QUADS) {
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sums) : "x"(bytes), "x"(weights));
    return sums;
  }
  const __m256i pairs = _mm256_maddubs_epi16(bytes, weights);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

ANVIL_AVX2_INLINE int32_t anvil_bytes4(const uint8_t *from) {
  int32_t value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

/* Four of `rest` values + 128; of fewer those that there are. */
ANVIL_AVX2_INLINE int32_t anvil_unsigned4(const int8_t *values, int32_t rest) {
  uint32_t quad = 0;
  if (rest >= ANVIL_STEP) {
    __builtin_memcpy(&quad, values, sizeof quad);
  } else {
    for (int32_t i = 0; i < rest; ++i) {
      quad |= (uint32_t)(uint8_t)values[i] << 8 * i;
    }
  }
  return (int32_t)(quad ^ 0x80808080u);
}

ANVIL_AVX2_INLINE __m256i anvil_load(const void *from) {
  return _mm256_loadu_si256((const __m256i *)from);
}

/* The sums of half a block from those of every two products: channels 0..3 low, 4..7 high. */
ANVIL_AVX2_INLINE __m256i anvil_sums_of_pairs(__m256i low, __m256i high, const int32_t *bias) {
  /* Channels 0 1 4 5 | 2 3 6 7. */
  const __m256i sums = _mm256_permute4x64_epi64(_mm256_hadd_epi32(low, high), 0xD8);
  return _mm256_add_epi32(sums, anvil_load(bias));
}

/* n values + 128. */
ANVIL_AVX2_INLINE void anvil_unsigned(const int8_t *values, int32_t n, uint8_t *to) {
  int32_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const __m256i bytes = _mm256_xor_si256(anvil_load(values + i), _mm256_set1_epi8(-128));
    _mm256_storeu_si256((__m256i *)(to + i), bytes);
  }
  for (; i + 8 <= n; i += 8) {
    uint64_t eight;
    __builtin_memcpy(&eight, values + i, sizeof eight);
    eight ^= UINT64_C(0x8080808080808080);
    __builtin_memcpy(to + i, &eight, sizeof eight);
  }
  for (; i < n; ++i) {
    to[i] = (uint8_t)(values[i] ^ -128);
  }
}

static inline int32_t anvil_value_bytes(int32_t way) {
  return way == ANVIL_BY_WORDS ? 2 : 1;
}

/* n values + 128 as windows have them. */
ANVIL_AVX2_INLINE void anvil_window_values(const int8_t *values, int32_t n, int32_t way,
                                           uint8_t *to) {
  if (way != ANVIL_BY_WORDS) {
    anvil_unsigned(values, n, to);
    return;
  }
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i words = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(values + i)));
    _mm256_storeu_si256((__m256i *)(to + 2 * i), _mm256_add_epi16(words, _mm256_set1_epi16(128)));
  }
  for (; i < n; ++i) {
    to[2 * i] = (uint8_t)(values[i] ^ -128);
    to[2 * i + 1] = 0;
  }
}

#endif
