#include <wasm_simd128.h>

#include "add/add__simd128.h"

#define LANES 16

static inline v128_t add_4(v128_t first, v128_t second, const anvil_add_int8_linear_parameters *p) {
  const v128_t one = wasm_i32x4_mul(first, wasm_i32x4_splat(p->multiplier1));
  const v128_t other = wasm_i32x4_mul(second, wasm_i32x4_splat(p->multiplier2));
  const v128_t sum = wasm_i32x4_add(wasm_i32x4_add(one, wasm_i32x4_splat(p->start)), other);
  return wasm_i32x4_shr(sum, (uint32_t)(16 - p->last_shift));
}

static inline v128_t add_8(v128_t first, v128_t second, const anvil_add_int8_linear_parameters *p) {
  return wasm_i16x8_narrow_i32x4(
      add_4(wasm_i32x4_extend_low_i16x8(first), wasm_i32x4_extend_low_i16x8(second), p),
      add_4(wasm_i32x4_extend_high_i16x8(first), wasm_i32x4_extend_high_i16x8(second), p));
}

static inline v128_t add_16(const int8_t *input1, const int8_t *input2,
                            const anvil_add_int8_linear_parameters *p) {
  return wasm_i8x16_narrow_i16x8(
      add_8(wasm_i16x8_load8x8(input1), wasm_i16x8_load8x8(input2), p),
      add_8(wasm_i16x8_load8x8(input1 + 8), wasm_i16x8_load8x8(input2 + 8), p));
}

void anvil_add_int8_linear__simd128(const anvil_add_int8_linear_parameters *parameters,
                                    const int8_t *input1, const int8_t *input2, int8_t *output) {
  const anvil_add_int8_linear_parameters p = *parameters;
  const int32_t n = p.n_elements;
  if (n < LANES) {
    int8_t values1[LANES] = {0};
    int8_t values2[LANES] = {0};
    for (int32_t i = 0; i < n; ++i) {
      values1[i] = input1[i];
      values2[i] = input2[i];
    }
    int8_t sums[LANES];
    wasm_v128_store(sums, add_16(values1, values2, &p));
    for (int32_t i = 0; i < n; ++i) {
      output[i] = sums[i];
    }
    return;
  }
  /* The last ones overlap those before, and the output may lie over an input: they are read before
   * anything is written. */
  const v128_t last = add_16(input1 + n - LANES, input2 + n - LANES, &p);
  for (int32_t i = 0; i + LANES <= n; i += LANES) {
    wasm_v128_store(output + i, add_16(input1 + i, input2 + i, &p));
  }
  wasm_v128_store(output + n - LANES, last);
}
