#include <immintrin.h>

#include "average_pool_2d/average_pool_2d__avx2.h"
#include "common/requantize.h"
#include "common/window.h"

#define AVX2 __attribute__((target("avx2")))

/* The sums of up to 32 channels over a window, 8 to a vector, divided by its pixels. */
static inline AVX2 void means_of(const int8_t *first, int32_t n_rows, int32_t row,
                                 int32_t n_columns, int32_t pixel, int32_t n_vectors,
                                 __m256i *means) {
  __m256i sums[4];
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_vectors; ++k) {
    sums[k] = _mm256_setzero_si256();
  }
  for (int32_t y = 0; y < n_rows; ++y) {
    const int8_t *values = first + y * row;
    for (int32_t x = 0; x < n_columns; ++x) {
#pragma GCC unroll 8
      for (int32_t k = 0; k < n_vectors; ++k) {
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(values + 8 * k));
        sums[k] = _mm256_add_epi32(sums[k], _mm256_cvtepi8_epi32(bytes));
      }
      values += pixel;
    }
  }
  /* Halves away from zero, then truncated. Sums have 24 bits and quotients 8, so that no quotient
   * is rounded up to a whole number in single precision that it is below: windows have at most
   * 2^16 pixels. */
  const int32_t count = n_rows * n_columns;
  const __m256i half = _mm256_set1_epi32(count / 2);
  const __m256 divisor = _mm256_cvtepi32_ps(_mm256_set1_epi32(count));
#pragma GCC unroll 8
  for (int32_t k = 0; k < n_vectors; ++k) {
    const __m256i rounded = _mm256_add_epi32(sums[k], _mm256_sign_epi32(half, sums[k]));
    means[k] = _mm256_cvttps_epi32(_mm256_div_ps(_mm256_cvtepi32_ps(rounded), divisor));
  }
}

AVX2 void anvil_average_pool_2d_int8_channels__avx2(
    const anvil_average_pool_2d_int8_parameters *parameters, const int8_t *input, int8_t *output) {
  const anvil_average_pool_2d_int8_parameters p = *parameters;
  const int32_t row = p.input_w * p.channels;
  const __m128i least = _mm_set1_epi8((int8_t)p.output_min);
  const __m128i greatest = _mm_set1_epi8((int8_t)p.output_max);

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const anvil_taps rows = anvil_taps_inside(y, p.input_h, p.filter_h, 1);
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const int32_t x = out_x * p.stride_w - p.pad_left;
        const anvil_taps columns = anvil_taps_inside(x, p.input_w, p.filter_w, 1);
        const int32_t n_rows = rows.end - rows.begin;
        const int32_t n_columns = columns.end - columns.begin;
        const int8_t *first = input + (y + rows.begin) * row + (x + columns.begin) * p.channels;
        int32_t channel = 0;
        __m256i means[4];
        for (; channel + 32 <= p.channels; channel += 32) {
          means_of(first + channel, n_rows, row, n_columns, p.channels, 4, means);
          for (int32_t k = 0; k < 4; k += 2) {
            const __m256i words =
                _mm256_permute4x64_epi64(_mm256_packs_epi32(means[k], means[k + 1]), 0xD8);
            __m128i bytes =
                _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
            bytes = _mm_min_epi8(_mm_max_epi8(bytes, least), greatest);
            _mm_storeu_si128((__m128i *)(output + channel + 8 * k), bytes);
          }
        }
        for (; channel + 8 <= p.channels; channel += 8) {
          means_of(first + channel, n_rows, row, n_columns, p.channels, 1, means);
          __m128i bytes = _mm_packs_epi32(_mm256_castsi256_si128(means[0]),
                                          _mm256_extracti128_si256(means[0], 1));
          bytes = _mm_packs_epi16(bytes, bytes);
          bytes = _mm_min_epi8(_mm_max_epi8(bytes, least), greatest);
          _mm_storel_epi64((__m128i *)(output + channel), bytes);
        }
        for (; channel < p.channels; ++channel) {
          const int32_t count = n_rows * n_columns;
          int32_t sum = 0;
          for (int32_t tap = 0; tap < count; ++tap) {
            sum += first[tap / n_columns * row + tap % n_columns * p.channels + channel];
          }
          const int32_t mean = (sum > 0 ? sum + count / 2 : sum - count / 2) / count;
          output[channel] = (int8_t)anvil_clamp(mean, p.output_min, p.output_max);
        }
        output += p.channels;
      }
    }
    input += p.input_h * row;
  }
}
