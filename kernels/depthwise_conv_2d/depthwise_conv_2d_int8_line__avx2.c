#include "depthwise_conv_2d/column_sums__avx2.h"
#include "depthwise_conv_2d/depthwise_conv_2d__avx2.h"

/* Images one pixel wide: what is interleaved are four pixels that taps of one window read. So each
 * is interleaved once for the windows of a few outputs, and not for each of them. These outputs'
 * windows are copied for all channels before one of them is written. */
enum { CHANNELS = ANVIL_SUMS };

/* 16 channels of four pixels each, of n_columns neighbouring windows. */
ANVIL_AVX2_INLINE void interleave(const uint8_t *pixels, int32_t pixel_bytes, int32_t distance,
                                  int32_t n_columns, uint8_t *columns) {
  for (int32_t i = 0; i < n_columns; ++i) {
    const uint8_t *at = pixels + i * pixel_bytes;
    __m128i values[4];
#pragma GCC unroll 4
    for (int32_t k = 0; k < 4; ++k) {
      values[k] = _mm_loadu_si128((const __m128i *)(at + k * distance));
    }
    const __m128i low[2] = {_mm_unpacklo_epi8(values[0], values[1]),
                            _mm_unpacklo_epi8(values[2], values[3])};
    const __m128i high[2] = {_mm_unpackhi_epi8(values[0], values[1]),
                             _mm_unpackhi_epi8(values[2], values[3])};
    /* In whole vectors, which can be read again before they have reached the cache. */
    __m256i *to = (__m256i *)(columns + i * 4 * CHANNELS);
    _mm256_storeu_si256(to, _mm256_set_m128i(_mm_unpackhi_epi16(low[0], low[1]),
                                             _mm_unpacklo_epi16(low[0], low[1])));
    _mm256_storeu_si256(to + 1, _mm256_set_m128i(_mm_unpackhi_epi16(high[0], high[1]),
                                                 _mm_unpacklo_epi16(high[0], high[1])));
  }
}

ANVIL_AVX2 void anvil_depthwise_conv_2d_int8_line__avx2(
    const anvil_depthwise_conv_2d_int8_bytes_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *rescale, int8_t *output,
    void *scratch) {
  const anvil_depthwise_conv_2d_int8_bytes_parameters p = *parameters;
  const int32_t n_channels = p.input_channels;
  const anvil_channels channels = {.weights = weights,
                                   .bias = bias,
                                   .rescale = rescale,
                                   .n_channels = n_channels,
                                   .form = p.form,
                                   .way = anvil_way_to_multiply(p.fits_pairs),
                                   .zero_point = p.output_zero_point,
                                   .least = p.output_min,
                                   .greatest = p.output_max};
  const int32_t n_groups = (p.filter_h + 3) / 4;
  const int32_t most = p.output_h < ANVIL_PIXELS ? p.output_h : ANVIL_PIXELS;
  const int32_t pixel_bytes = (n_channels + CHANNELS - 1) / CHANNELS * CHANNELS;
  const int32_t group_pixels = 4 * p.dilation_h;
  const int32_t most_columns = (most - 1) * p.stride_h + (n_groups - 1) * group_pixels + 1;
  uint8_t *columns = scratch;
  uint8_t *pixels = columns + most_columns * 4 * CHANNELS;
  const anvil_columns windows = {.first = columns,
                                 .n_groups = n_groups,
                                 .n_taps = 1,
                                 .group_bytes = group_pixels * 4 * CHANNELS,
                                 .tap_bytes = 0,
                                 .pixel_bytes = p.stride_h * 4 * CHANNELS,
                                 .slide = 0};
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; out_y += most) {
      const int32_t n = p.output_h - out_y < most ? p.output_h - out_y : most;
      const int32_t n_columns = (n - 1) * p.stride_h + (n_groups - 1) * group_pixels + 1;
      const int32_t top = out_y * p.stride_h - p.pad_top;
      for (int32_t i = 0; i < n_columns + 3 * p.dilation_h; ++i) {
        uint8_t *to = pixels + i * pixel_bytes;
        if (top + i >= 0 && top + i < p.input_h) {
          anvil_unsigned(input + (top + i) * n_channels, n_channels, to);
        } else {
          for (int32_t channel = 0; channel < n_channels; ++channel) {
            to[channel] = (uint8_t)(p.input_zero_point + 128);
          }
        }
      }
      for (int32_t begin = 0; begin < n_channels; begin += CHANNELS) {
        const int32_t end = n_channels - begin < CHANNELS ? n_channels : begin + CHANNELS;
        interleave(pixels + begin, pixel_bytes, p.dilation_h * pixel_bytes, n_columns, columns);
        anvil_outputs_of_columns__avx2(&windows, &channels, begin, end, n, output);
      }
      output += n * n_channels;
    }
    input += p.input_h * n_channels;
  }
}
