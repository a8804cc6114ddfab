#include "fully_connected/units__avx512.h"

/* Sums that do not wait for each other: of steps side by side, for as many blocks. */
enum { MOST_BLOCKS = 4, N_SUMS = 8 };

ANVIL_AVX512_INLINE void add_steps(const int8_t *input, int32_t n_steps, int32_t rest,
                                   const int8_t *weights, int64_t block_bytes, int32_t n_blocks,
                                   __m512i *sums) {
#pragma GCC unroll 8
  for (int32_t i = 0; i < n_steps; ++i) {
    const __m512i quad = _mm512_set1_epi32(anvil_unsigned4(input + i * ANVIL_STEP, rest));
#pragma GCC unroll 4
    for (int32_t k = 0; k < n_blocks; ++k) {
      const __m512i w = _mm512_loadu_si512(weights + i * ANVIL_BLOCK_STEP + k * block_bytes);
      sums[i * n_blocks + k] = _mm512_dpbusd_epi32(sums[i * n_blocks + k], quad, w);
    }
  }
}

/* Outputs of four blocks, or of one, in the order of their units. Only what rounds twice has a
 * symmetric form. */
ANVIL_AVX512_INLINE __m512i fused_bytes(const anvil_channels *c, int32_t unit, const __m512i *sums,
                                        int32_t n_blocks) {
  const anvil_limits limits = anvil_limits_of(c);
  __m512i outputs[MOST_BLOCKS];
#pragma GCC unroll 4
  for (int32_t k = 0; k < MOST_BLOCKS; ++k) {
    if (k < n_blocks) {
      const anvil_fused f = anvil_fused_of(c, unit + k * ANVIL_BLOCK, 0);
      outputs[k] = anvil_fused_outputs(sums[k], &f, &limits, 0);
    } else {
      outputs[k] = outputs[0]; /* which is not stored */
    }
  }
  return anvil_bytes_by_vectors(outputs, &limits);
}

ANVIL_AVX512_INLINE void blocks_of(const anvil_channels *c, int32_t depth, const int8_t *input,
                                   int32_t unit, int32_t n_blocks, int8_t *output) {
  const int32_t steps_at_once = N_SUMS / n_blocks;
  const int32_t n_steps = (depth + ANVIL_STEP - 1) / ANVIL_STEP;
  const int64_t block_bytes = (int64_t)n_steps * ANVIL_BLOCK_STEP;
  const int8_t *weights = c->weights + unit / ANVIL_BLOCK * block_bytes;
  __m512i sums[N_SUMS];
#pragma GCC unroll 8
  for (int32_t i = 0; i < N_SUMS; ++i) {
    sums[i] = i < n_blocks ? _mm512_loadu_si512(c->bias + unit + i * ANVIL_BLOCK)
                           : _mm512_setzero_si512();
  }
  int32_t rest = depth;
  for (; rest >= steps_at_once * ANVIL_STEP; rest -= steps_at_once * ANVIL_STEP) {
    add_steps(input, steps_at_once, ANVIL_STEP, weights, block_bytes, n_blocks, sums);
    input += steps_at_once * ANVIL_STEP;
    weights += steps_at_once * ANVIL_BLOCK_STEP;
  }
  for (; rest > 0; rest -= ANVIL_STEP) {
    add_steps(input, 1, rest, weights, block_bytes, n_blocks, sums);
    input += ANVIL_STEP;
    weights += ANVIL_BLOCK_STEP;
  }
#pragma GCC unroll 8
  for (int32_t i = n_blocks; i < N_SUMS; ++i) {
    sums[i % n_blocks] = _mm512_add_epi32(sums[i % n_blocks], sums[i]);
  }
  if (c->form != ANVIL_FUSED) {
    int32_t stored[MOST_BLOCKS * ANVIL_BLOCK] __attribute__((aligned(64)));
    for (int32_t k = 0; k < n_blocks; ++k) {
      _mm512_store_si512(stored + k * ANVIL_BLOCK, sums[k]);
    }
    for (int32_t k = 0; k < n_blocks; ++k) {
      anvil_store_sums__avx2(c, unit + k * ANVIL_BLOCK, 1, stored + k * ANVIL_BLOCK, output);
    }
    return;
  }
  const __m512i bytes = fused_bytes(c, unit, sums, n_blocks);
  const int32_t n_units = c->n_channels - unit;
  const int32_t n_bytes = n_blocks * ANVIL_BLOCK;
  const __mmask64 units = ~UINT64_C(0) >> (64 - (n_units < n_bytes ? n_units : n_bytes));
  _mm512_mask_storeu_epi8(output + unit, units, bytes);
}

ANVIL_AVX512 void anvil_all_units__avx512(const anvil_channels *channels, int32_t depth,
                                          const int8_t *input, int8_t *output) {
  const anvil_channels c = *channels; /* which no store through `output` can change */
  int32_t unit = 0;
  for (; unit + (MOST_BLOCKS - 1) * ANVIL_BLOCK < c.n_channels; unit += MOST_BLOCKS * ANVIL_BLOCK) {
    blocks_of(&c, depth, input, unit, MOST_BLOCKS, output);
  }
  for (; unit < c.n_channels; unit += ANVIL_BLOCK) {
    blocks_of(&c, depth, input, unit, 1, output);
  }
}
