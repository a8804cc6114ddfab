#include "common/pair_blocks__simd128.h"
#include "fully_connected/fully_connected__simd128.h"

/* One pair of products of a block. */
static inline void add_pair(v128_t sums[2], v128_t pair, const int8_t *weights) {
  sums[0] = wasm_i32x4_add(sums[0], wasm_i32x4_dot_i16x8(pair, wasm_i16x8_load8x8(weights)));
  sums[1] = wasm_i32x4_add(sums[1], wasm_i32x4_dot_i16x8(pair, wasm_i16x8_load8x8(weights + 8)));
}

/* A block of units; pairs that follow each other have sums of their own, so that none waits for
 * the one before. */
static void one_block(const anvil_pair_channels *c, const int16_t *row, const int8_t *weights,
                      int32_t unit, int8_t *output) {
  v128_t even[2] = {wasm_v128_load(c->bias + unit), wasm_v128_load(c->bias + unit + 4)};
  v128_t odd[2] = {wasm_i32x4_const_splat(0), wasm_i32x4_const_splat(0)};
  int32_t rest = c->n_pairs;
  for (; rest >= 4; rest -= 4) {
    add_pair(even, wasm_v128_load32_splat(row), weights);
    add_pair(odd, wasm_v128_load32_splat(row + 2), weights + 16);
    add_pair(even, wasm_v128_load32_splat(row + 4), weights + 32);
    add_pair(odd, wasm_v128_load32_splat(row + 6), weights + 48);
    row += 4 * ANVIL_PAIR;
    weights += 4 * ANVIL_BLOCK_PAIR_BYTES;
  }
  for (; rest > 0; --rest) {
    add_pair(even, wasm_v128_load32_splat(row), weights);
    row += ANVIL_PAIR;
    weights += ANVIL_BLOCK_PAIR_BYTES;
  }
  const v128_t sums[2] = {wasm_i32x4_add(even[0], odd[0]), wasm_i32x4_add(even[1], odd[1])};
  anvil_store_blocks__simd128(c, unit, sums, 1, output);
}

void anvil_fully_connected_int8_blocks__simd128(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const double *scale, const double *away,
    int8_t *output, void *scratch) {
  const anvil_fully_connected_int8_parameters p = *parameters;
  const int32_t n_pairs = (p.depth + 1) / ANVIL_PAIR;
  const anvil_pair_channels units = {.weights = weights,
                                     .bias = bias,
                                     .scale = scale,
                                     .away = away,
                                     .n_channels = p.units,
                                     .n_pairs = n_pairs,
                                     .zero_point = p.output_zero_point,
                                     .least = p.output_min,
                                     .greatest = p.output_max};
  int16_t *const row = scratch;
  row[n_pairs * ANVIL_PAIR - 1] = 0; /* the last product's partner where they are odd */
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    anvil_widen(row, input, p.depth);
    for (int32_t unit = 0; unit < p.units; unit += ANVIL_BLOCK) {
      one_block(&units, row, weights + unit / ANVIL_BLOCK * n_pairs * ANVIL_BLOCK_PAIR_BYTES, unit,
                output);
    }
    input += p.depth;
    output += p.units;
  }
}
