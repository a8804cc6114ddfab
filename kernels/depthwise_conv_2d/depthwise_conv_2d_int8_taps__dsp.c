#include <arm_acle.h>

#include "common/requantize.h"
#include "depthwise_conv_2d/depthwise_conv_2d__dsp.h"
#include "depthwise_conv_2d/planes__dsp.h"
#include "depthwise_conv_2d/row_of_windows__dsp.h"

/* One row of four planes: the words inside of the image at once, those at its border alone. */
static void spread_row(const int8_t *row, int32_t pixel, anvil_extent columns, int32_t row_words,
                       int32_t plane_words, int32_t zero_point, uint32_t *planes) {
  const uint32_t border = (uint8_t)zero_point * 0x01010101u;
  const int8_t *const zeros = (const int8_t *)&border;
  anvil_spread_rows spread = {1, 2 * pixel, 2 * pixel, plane_words * 4, 4};

  for (int32_t word = 0; word < row_words; word += spread.n_rows) {
    const int32_t column = 2 * word;
    const int8_t *const left = row + (columns.first + column) * pixel;
    const int is_left = column >= columns.begin && column < columns.end;
    const int is_right = column + 1 >= columns.begin && column + 1 < columns.end;
    spread.n_rows = 1;
    if (is_left && is_right) {
      spread.n_rows = (columns.end - column) >> 1;
    }
    if (is_left || is_right) {
      anvil_spread_columns(is_left ? left : zeros, is_right ? left + pixel : zeros, planes + word,
                           &spread);
    }
  }
}

/* A row of taps as pairs for windows that begin at an even column, w0 w1, w2 w3 and so on, and
 * for those that begin at an odd one, 0 w0, w1 w2, each beside the other. Taps come by fours in
 * the order that SXTB16 makes pairs of: w0 w2 w1 w3. */
static void pair_weights(const uint32_t *quads, int32_t n_words, uint32_t *pairs) {
  uint32_t before = 0;
  for (int32_t word = 0; word < n_words; word += 2) {
    const uint32_t quad = *quads++;
    const uint32_t first = (uint32_t)__sxtb16((int8x4_t)quad);
    const uint32_t second = (uint32_t)__sxtb16((int8x4_t)__ror(quad, 8));
    pairs[0] = first;
    pairs[1] = before >> 16 | first << 16;
    pairs[2] = second;
    pairs[3] = first >> 16 | second << 16;
    before = second;
    pairs += 4;
  }
}

void anvil_depthwise_conv_2d_int8_taps__dsp(
    const anvil_depthwise_conv_2d_int8_taps_parameters *parameters, const int8_t *input,
    const int32_t *weights, const int32_t *rescaling, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_taps_parameters p = *parameters;
  const int32_t pixel = p.input_channels;
  const int32_t n_words = p.filter_w / 2 + 1;
  const int32_t row_words = (p.output_w + 3) / 4 * 2 + n_words;
  const int32_t n_quads = (n_words + 1) / 2;
  anvil_row_of_windows_channel row_of = {
      rescaling, p.filter_h, n_words, (row_words - n_words - 1) * 4, pixel, p.output_w};
  const int32_t plane = p.filter_h * row_words;
  const anvil_extent columns = anvil_extent_of(-p.pad_left, 2 * row_words, p.input_w);
  uint32_t *const planes = (uint32_t *)scratch;
  uint32_t *const pairs = planes + 4 * plane;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t y = 0; y < p.output_h; ++y) {
      const anvil_extent rows = anvil_extent_of(y * p.stride_h - p.pad_top, p.filter_h, p.input_h);
      anvil_set_planes(planes, 4 * plane, p.input_zero_point);
      for (int32_t quad = 0; quad < pixel; quad += 4) {
        /* The last four channels may have been computed in part. */
        const int32_t first = quad > pixel - 4 ? pixel - 4 : quad;
        for (int32_t row = rows.begin; row < rows.end; ++row) {
          spread_row(input + (rows.first + row) * p.input_w * pixel + first, pixel, columns,
                     row_words, plane, p.input_zero_point, planes + row * row_words);
        }
        for (int32_t channel = quad; channel < first + 4; ++channel) {
          const uint32_t *quads = (const uint32_t *)weights + channel * p.filter_h * n_quads;
          for (int32_t row = 0; row < p.filter_h; ++row) {
            pair_weights(quads, n_words, pairs + row * 2 * n_words);
            quads += n_quads;
          }
          row_of.rescaling = rescaling + channel * 4;
          anvil_row_of_windows(planes + (channel - first) * plane, pairs, output + channel,
                               &row_of);
        }
      }
      output += p.output_w * pixel;
    }
    input += p.input_h * p.input_w * pixel;
  }
}
