#include <stdbool.h>

#include "common/bytes__mve.h"
#include "depthwise_conv_2d/depthwise_conv_2d__mve.h"
#include "depthwise_conv_2d/lanes__mve.h"

#define INLINE static inline __attribute__((always_inline))

/* Where the taps of a window lie: in the image, or in a pixel of zero points. */
INLINE void find_taps(const anvil_depthwise_conv_2d_int8_parameters *p, const int8_t *image,
                      const int8_t *beside, int32_t y, int32_t x, const int8_t **taps) {
  const int32_t step = p->dilation_w * p->input_channels;
  for (int32_t tap_y = 0; tap_y < p->filter_h; ++tap_y) {
    const int32_t in_y = y + tap_y * p->dilation_h;
    const int8_t *from = image + (in_y * p->input_w + x) * p->input_channels;
    const int32_t is_row = in_y >= 0 && in_y < p->input_h;
    int32_t in_x = x;
    for (int32_t tap_x = 0; tap_x < p->filter_w; ++tap_x) {
      *taps++ = is_row && in_x >= 0 && in_x < p->input_w ? from : beside;
      from += step;
      in_x += p->dilation_w;
    }
  }
}

/* The next window of a row, where neither has a tap beside the image. */
INLINE void move_taps(const int8_t **taps, int32_t n_taps, int32_t distance) {
  uint32_t *addresses = (uint32_t *)taps;
  for (int32_t left = n_taps; left > 0; left -= 4) {
    const mve_pred16_t inside = vctp32q((uint32_t)left);
    const uint32x4_t found = vldrwq_z_u32(addresses, inside);
    vstrwq_p_u32(addresses, vaddq_n_u32(found, (uint32_t)distance), inside);
    addresses += 4;
  }
}

/* An image of one column as one row, which is the same in memory: windows move along rows. */
INLINE anvil_depthwise_conv_2d_int8_parameters lying(anvil_depthwise_conv_2d_int8_parameters p) {
  if (p.input_w == 1 && p.output_w == 1 && p.filter_w == 1) {
    p.input_w = p.input_h;
    p.output_w = p.output_h;
    p.filter_w = p.filter_h;
    p.stride_w = p.stride_h;
    p.pad_left = p.pad_top;
    p.dilation_w = p.dilation_h;
    p.input_h = p.output_h = p.filter_h = p.stride_h = p.dilation_h = 1;
    p.pad_top = 0;
  }
  return p;
}

void anvil_depthwise_conv_2d_int8_lanes__mve(
    const anvil_depthwise_conv_2d_int8_parameters *parameters, const int8_t *input,
    const int32_t *blocks, int8_t *output, void *scratch) {
  const anvil_depthwise_conv_2d_int8_parameters p = lying(*parameters);
  const int32_t n_taps = p.filter_h * p.filter_w;
  const int32_t last_x = (p.filter_w - 1) * p.dilation_w;
  const int8_t **const taps = scratch;
  int8_t *const beside = (int8_t *)(taps + n_taps);
  const int32_t n_outputs = p.batches * p.output_h * p.output_w * p.input_channels;
  anvil_lanes lanes = {.taps = taps,
                       .blocks = blocks,
                       .n_channels = p.input_channels,
                       .n_taps = n_taps,
                       .zero_point = p.output_zero_point};
  anvil_fill_bytes(beside, (int8_t)p.input_zero_point, p.input_channels);
  for (int32_t batch = 0; batch < p.batches; ++batch) {
    for (int32_t out_y = 0; out_y < p.output_h; ++out_y) {
      const int32_t y = out_y * p.stride_h - p.pad_top;
      const bool is_inside_y = y >= 0 && y + (p.filter_h - 1) * p.dilation_h < p.input_h;
      bool was_inside = false;
      int32_t x = -p.pad_left;
      for (int32_t out_x = 0; out_x < p.output_w; ++out_x) {
        const bool is_inside = is_inside_y && x >= 0 && x + last_x < p.input_w;
        if (was_inside && is_inside) {
          move_taps(taps, n_taps, p.stride_w * p.input_channels);
        } else {
          find_taps(&p, input, beside, y, x, taps);
        }
        was_inside = is_inside;
        x += p.stride_w;
        lanes.output = output;
        anvil_lanes__mve(&lanes);
        output += p.input_channels;
      }
    }
    input += p.input_h * p.input_w * p.input_channels;
  }
  anvil_clamp_bytes(output - n_outputs, n_outputs, p.output_min, p.output_max);
}
