#include "depthwise_conv_2d/column_sums__avx2.h"
#include "depthwise_conv_2d/depthwise_conv_2d__avx2.h"

/* Images one pixel wide: what is interleaved are four pixels that taps of one window read. So each
 * is interleaved once for the windows of a few outputs, and not for each of them. These outputs'
 * windows are copied for all channels before one of them is written. */
enum { CHANNELS = ANVIL_BLOCK, PIXELS_BY_LANES = 32 };

/* Moves bytes down by as many as one starts to read behind its beginning; what follows is 0. */
static const int8_t down[2 * CHANNELS] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10,
                                          11, 12, 13, 14, 15, -1, -1, -1, -1, -1, -1,
                                          -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

ANVIL_AVX2_INLINE __m128i load_block(const int8_t *from) {
  return _mm_xor_si128(_mm_loadu_si128((const __m128i *)from), _mm_set1_epi8(-128));
}

/* A pixel as blocks of unsigned values, which lie block_bytes apart. */
ANVIL_AVX2_INLINE void copy_pixel(const int8_t *pixel, int32_t n_channels, int32_t block_bytes,
                                  uint8_t *to) {
  const int32_t rest = n_channels % CHANNELS;
  if (n_channels < CHANNELS) {
    anvil_unsigned(pixel, n_channels, to);
    return;
  }
  for (int32_t channel = 0; channel + CHANNELS <= n_channels; channel += CHANNELS) {
    _mm_storeu_si128((__m128i *)to, load_block(pixel + channel));
    to += block_bytes;
  }
  if (rest > 0) { /* There may be no memory behind the pixel. */
    const __m128i shift = _mm_loadu_si128((const __m128i *)(down + CHANNELS - rest));
    const __m128i last = load_block(pixel + n_channels - CHANNELS);
    _mm_storeu_si128((__m128i *)to, _mm_shuffle_epi8(last, shift));
  }
}

/* A pixel outside of the image. */
ANVIL_AVX2_INLINE void fill_pixel(int32_t value, int32_t n_channels, int32_t block_bytes,
                                  uint8_t *to) {
  for (int32_t channel = 0; channel < n_channels; channel += CHANNELS) {
    _mm_storeu_si128((__m128i *)to, _mm_set1_epi8((int8_t)value));
    to += block_bytes;
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
  const int32_t group_pixels = 4 * p.dilation_h;
  const int32_t taps = (n_groups - 1) * group_pixels + 1;
  const int32_t is_by_lanes = channels.way == ANVIL_BY_BLOCKS && p.stride_h == 1;
  const int32_t at_once = is_by_lanes ? PIXELS_BY_LANES : ANVIL_PIXELS;
  const int32_t most = p.output_h < at_once ? p.output_h : at_once;
  const int32_t most_columns = (most - 1) * p.stride_h + taps;
  const int32_t block_bytes = (most_columns + 3 * p.dilation_h) * CHANNELS;
  uint8_t *columns = anvil_aligned(scratch);
  /* [block][pixel][channel] */
  uint8_t *pixels = columns + (is_by_lanes ? 0 : most_columns * 4 * CHANNELS);
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
      const int32_t n_columns = (n - 1) * p.stride_h + taps;
      const int32_t top = out_y * p.stride_h - p.pad_top;
      for (int32_t i = 0; i < n_columns + 3 * p.dilation_h; ++i) {
        uint8_t *to = pixels + i * CHANNELS;
        if (top + i >= 0 && top + i < p.input_h) {
          copy_pixel(input + (top + i) * n_channels, n_channels, block_bytes, to);
        } else {
          fill_pixel(p.input_zero_point + 128, n_channels, block_bytes, to);
        }
      }
      for (int32_t begin = 0; begin < n_channels; begin += CHANNELS) {
        const int32_t end = n_channels - begin < CHANNELS ? n_channels : begin + CHANNELS;
        const uint8_t *block = pixels + begin / CHANNELS * block_bytes;
        if (is_by_lanes) {
          anvil_outputs_of_line__avx512(block, n_groups, p.dilation_h, &channels, begin, n, output);
          continue;
        }
        const int8_t *first = (const int8_t *)block;
        const int32_t distance = p.dilation_h * CHANNELS;
        const int8_t *const rows[4] = {first, first + distance, first + 2 * distance,
                                       first + 3 * distance};
        anvil_interleave__avx2(rows, n_columns * CHANNELS, 0, channels.way, columns);
        anvil_outputs_of_columns__avx2(&windows, &channels, begin, end, n, output);
      }
      output += n * n_channels;
    }
    input += p.input_h * n_channels;
  }
}
