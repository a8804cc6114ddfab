#include <arm_acle.h>

#include "common/requantize.h"
#include "depthwise_conv_2d/depthwise_conv_2d__dsp.h"
#include "depthwise_conv_2d/planes__dsp.h"

#define RESCALING_SHIFT 12

/* What a row of windows needs, besides the channel's own numbers. */
typedef struct {
  int32_t filter_h;
  int32_t n_words;   /* of one row of weights */
  int32_t row_words; /* of the planes */
  int32_t pixel;     /* bytes of the output from one column to the next */
  int32_t output_w;
} windows;

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
 * for those that begin at an odd one, 0 w0, w1 w2, each beside the other. */
static void pair_weights(const int8_t *weights, int32_t n_taps, int32_t n_words, uint32_t *pairs) {
  uint32_t before = 0;
  for (int32_t word = 0; word < n_words; ++word) {
    const uint32_t left = 2 * word < n_taps ? (uint32_t)weights[2 * word] & 0xFFFFu : 0;
    const uint32_t right = 2 * word + 1 < n_taps ? (uint32_t)weights[2 * word + 1] : 0;
    *pairs++ = left | right << 16;
    *pairs++ = before | left << 16;
    before = right & 0xFFFFu;
  }
}

static int8_t rescale(int32_t sum, const int32_t *rescaling) {
  const int32_t two_sided = sum + (rescaling[1] & sum >> 31);
  const int32_t high = (int32_t)((int64_t)two_sided * rescaling[2] >> 32);
  return (int8_t)__ssat((high + rescaling[3]) >> RESCALING_SHIFT, 8);
}

/* One channel's row of outputs, four at a time. */
static void output_row(const windows *w, const uint32_t *plane, const uint32_t *pairs,
                       const int32_t *rescaling, int8_t *output) {
  for (int32_t x = 0; x < w->output_w; x += 4) {
    const uint32_t *row = plane;
    const uint32_t *pair = pairs;
    int32_t sum0 = rescaling[0];
    int32_t sum1 = sum0;
    int32_t sum2 = sum0;
    int32_t sum3 = sum0;
    for (int32_t y = 0; y < w->filter_h; ++y) {
      const uint32_t *columns = row;
      uint32_t left = *columns++;
      for (int32_t n = w->n_words; n > 0; --n) {
        const uint32_t right = *columns++;
        const uint32_t even = *pair++;
        const uint32_t odd = *pair++;
        sum0 = __smlad((int16x2_t)left, (int16x2_t)even, sum0);
        sum1 = __smlad((int16x2_t)left, (int16x2_t)odd, sum1);
        sum2 = __smlad((int16x2_t)right, (int16x2_t)even, sum2);
        sum3 = __smlad((int16x2_t)right, (int16x2_t)odd, sum3);
        left = right;
      }
      row += w->row_words;
    }
    const int32_t n_left = w->output_w - x;
    output[0] = rescale(sum0, rescaling);
    if (n_left > 1) {
      output[w->pixel] = rescale(sum1, rescaling);
    }
    if (n_left > 2) {
      output[2 * w->pixel] = rescale(sum2, rescaling);
    }
    if (n_left > 3) {
      output[3 * w->pixel] = rescale(sum3, rescaling);
    }
    output += 4 * w->pixel;
    plane += 2;
  }
}

void anvil_depthwise_conv_2d_int8_taps__dsp(
    const anvil_depthwise_conv_2d_int8_taps_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *rescaling, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_taps_parameters p = *parameters;
  const int32_t pixel = p.input_channels;
  const int32_t n_words = p.filter_w / 2 + 1;
  const int32_t row_words = (p.output_w + 3) / 4 * 2 + n_words;
  const windows w = {p.filter_h, n_words, row_words, pixel, p.output_w};
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
          const int8_t *taps = weights + channel * p.filter_h * p.filter_w;
          for (int32_t row = 0; row < p.filter_h; ++row) {
            pair_weights(taps, p.filter_w, n_words, pairs + row * 2 * n_words);
            taps += p.filter_w;
          }
          output_row(&w, planes + (channel - first) * plane, pairs, rescaling + channel * 4,
                     output + channel);
        }
      }
      output += p.output_w * pixel;
    }
    input += p.input_h * p.input_w * pixel;
  }
}
