#include "common/blocks__rv32.h"
#include "depthwise_conv_2d/depthwise_conv_2d__rv32.h"

/* Where the taps of one window lie; `beside` is a pixel of zero points. */
ANVIL_INLINE void find_taps(const anvil_depthwise_conv_2d_int8_parameters *p, const int8_t *image,
                            int32_t y, int32_t first_x, const int8_t *beside, const int8_t **taps) {
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y, y += p->dilation_h) {
    const uint32_t width = y >= 0 && y < p->input_h ? (uint32_t)p->input_w : 0;
    int32_t x = first_x;
    const int8_t *from = image + (y * p->input_w + x) * p->input_channels;
    for (int32_t tap_x = 0; tap_x < p->filter_w; ++tap_x, x += p->dilation_w) {
      *taps++ = (uint32_t)x < width ? from : beside;
      from += p->dilation_w * p->input_channels;
    }
  }
}

void anvil_depthwise_conv_2d_int8_blocks__rv32(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int32_t *blocks, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = *parameters;
  const anvil_bounds bounds = {p.output_min, p.output_max};
  const int32_t n_taps = p.filter_h * p.filter_w;
  const int8_t **const taps = scratch;
  int8_t *const beside = (int8_t *)(taps + n_taps);
  for (int32_t i = 0; i < p.input_channels; ++i) {
    beside[i] = (int8_t)p.input_zero_point;
  }
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        find_taps(&p, input, out_y * p.stride_h - p.pad_top, out_x * p.stride_w - p.pad_left,
                  beside, taps);
        const int32_t *block = blocks;
        int32_t channel = 0;
        for (; channel + 4 <= p.input_channels; channel += ANVIL_BLOCK_CHANNELS) {
          uint32_t sums[4] = {(uint32_t)block[0], (uint32_t)block[1], (uint32_t)block[2],
                              (uint32_t)block[3]};
          const int8_t *weights = (const int8_t *)(block + ANVIL_BLOCK_CHANNELS);
          for (const int8_t **tap = taps; tap < taps + n_taps; ++tap, weights += 4) {
            const int8_t *values = *tap + channel;
            for (int i = 0; i < 4; ++i) {
              sums[i] += (uint32_t)(values[i] * weights[i]);
            }
          }
          block = (const int32_t *)weights;
          for (int i = 0; i < 4; ++i) {
            *output++ = anvil_rescaled(sums[i], anvil_rescaling_of(block, i), bounds);
          }
          block += ANVIL_RESCALING_WORDS;
        }
        const int32_t *const rescaling = block + ANVIL_BLOCK_CHANNELS + n_taps;
        for (int32_t i = 0; channel < p.input_channels; ++i, ++channel) {
          uint32_t sum = (uint32_t)block[i];
          const int8_t *weights = (const int8_t *)(block + ANVIL_BLOCK_CHANNELS) + i;
          for (int32_t tap = 0; tap < n_taps; ++tap) {
            sum += (uint32_t)(taps[tap][channel] * weights[4 * tap]);
          }
          *output++ = anvil_rescaled(sum, anvil_rescaling_of(rescaling, i), bounds);
        }
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
}
