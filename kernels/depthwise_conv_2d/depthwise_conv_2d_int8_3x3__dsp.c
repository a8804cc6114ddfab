#include "common/requantize.h"
#include "depthwise_conv_2d/depthwise_conv_2d__dsp.h"
#include "depthwise_conv_2d/planes__dsp.h"
#include "depthwise_conv_2d/three_by_three__dsp.h"

/* The strip's columns of four channels that start at `input`. What is outside of the image stays
 * in the planes, so that the first channels alone need to set it. */
static void spread_strip(const anvil_depthwise_conv_2d_int8_3x3_parameters *p, const int8_t *input,
                         anvil_extent rows, anvil_extent columns, int32_t n_rows, int32_t row_words,
                         uint32_t *planes) {
  const int32_t row_bytes = p->input_w * p->input_channels;
  const uint32_t border = (uint8_t)p->input_zero_point * 0x01010101u;
  anvil_spread_rows spread = {rows.end - rows.begin, 0, 0, n_rows * row_words * 4, row_words * 4};
  const int8_t *left = input + (rows.first + rows.begin) * row_bytes;

  if (spread.n_rows <= 0) {
    return;
  }
  left += columns.first * p->input_channels;
  planes += rows.begin * row_words;
  for (int32_t column = 0; column < 2 * row_words; column += 2) {
    const int is_left = column >= columns.begin && column < columns.end;
    const int is_right = column + 1 >= columns.begin && column + 1 < columns.end;
    if (is_left || is_right) {
      spread.left_bytes = is_left ? row_bytes : 0;
      spread.right_bytes = is_right ? row_bytes : 0;
      anvil_spread_columns(is_left ? left : (const int8_t *)&border,
                           is_right ? left + p->input_channels : (const int8_t *)&border, planes,
                           &spread);
    }
    left += 2 * p->input_channels;
    ++planes;
  }
}

void anvil_depthwise_conv_2d_int8_3x3__dsp(
    const anvil_depthwise_conv_2d_int8_3x3_parameters *parameters, const int8_t *input,
    const int32_t *channels, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_3x3_parameters p = *parameters;
  const int32_t row_words = p.stride == 1 ? 4 : 5;
  const int32_t strip_w = p.stride == 1 ? 6 : 4;
  const int32_t pixel = p.input_channels;
  const int32_t output_row = p.output_w * pixel;
  uint32_t *const planes = (uint32_t *)scratch;
  anvil_three_by_three_strip strip = {{0, 0, 0, 0, 0}, output_row, 0, p.addend};

  int32_t strip_columns = 0; /* that the strip's offsets are for */

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t y = 0; y < p.output_h; y += p.block_rows) {
      const int32_t block_h = anvil_clamp(p.output_h - y, 0, p.block_rows);
      const int32_t n_rows = (block_h - 1) * p.stride + 3;
      const int32_t plane = n_rows * row_words;
      const anvil_extent rows = anvil_extent_of(y * p.stride - p.pad_top, n_rows, p.input_h);
      strip.plane_bytes = block_h * p.stride * row_words * 4;
      for (int32_t group = 0; group < p.output_w; group += p.block_columns) {
        const int32_t group_end = anvil_clamp(p.output_w, 0, group + p.block_columns);
        for (int32_t quad = 0; quad < pixel; quad += 4) {
          /* The last four channels may have been computed in part. */
          const int32_t first = quad > pixel - 4 ? pixel - 4 : quad;
          uint32_t *target = planes;
          for (int32_t x = group; x < group_end; x += strip_w) {
            const anvil_extent columns =
                anvil_extent_of(x * p.stride - p.pad_left, 2 * row_words, p.input_w);
            if (quad == 0) {
              anvil_set_planes(target, 4 * plane, p.input_zero_point);
            }
            spread_strip(&p, input + first, rows, columns, n_rows, row_words, target);
            target += 4 * plane;
          }
          target = planes;
          for (int32_t x = group; x < group_end; x += strip_w) {
            const int32_t n_columns = anvil_clamp(p.output_w - x, 0, strip_w);
            if (n_columns != strip_columns) {
              strip_columns = n_columns;
              for (int32_t i = 0; i < 5; ++i) {
                strip.offsets[i] = i + 1 < n_columns ? (i + 1) * pixel : 0;
              }
            }
            for (int32_t channel = quad; channel < first + 4; ++channel) {
              const int32_t *const words = (const int32_t *)target + (channel - first) * plane;
              int8_t *const out = output + y * output_row + x * pixel + channel;
              const int32_t *const constants = channels + channel * 5;
              if (p.stride == 2) {
                anvil_three_by_three_stride2_4(words, out, constants, &strip);
              } else if (n_columns == 5) {
                anvil_three_by_three_stride1_5(words, out, constants, &strip);
              } else {
                anvil_three_by_three_stride1_6(words, out, constants, &strip);
              }
            }
            target += 4 * plane;
          }
        }
      }
    }
    input += p.input_h * p.input_w * pixel;
    output += p.output_h * output_row;
  }
}
