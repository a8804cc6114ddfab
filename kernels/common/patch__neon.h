/* The window of one output pixel, copied out of the image, for AArch64. */
#ifndef ANVIL_COMMON_PATCH_NEON_H
#define ANVIL_COMMON_PATCH_NEON_H

#include <arm_neon.h>
#include <stdint.h>

/* Numbers of an int8 image and of the windows over it. */
typedef struct {
  int32_t input_h;
  int32_t input_w;
  int32_t channels;
  int32_t filter_h;
  int32_t filter_w;
  int32_t dilation_h;
  int32_t dilation_w;
  int8_t zero_point;
} anvil_image;

/* Copies n bytes. The last load and store overlap those before, so that no byte beyond the n is
 * touched; loads of 4 and 8 bytes go through memcpy since they are not aligned. */
static inline void anvil_copy(int8_t *restrict to, const int8_t *restrict from, int32_t n) {
  if (n >= 16) {
    for (int32_t i = 0; i < n - 16; i += 16) {
      vst1q_s8(to + i, vld1q_s8(from + i));
      /* Keeps the compiler from unrolling a loop that mostly runs for a few rounds. */
      __asm__ volatile("");
    }
    vst1q_s8(to + n - 16, vld1q_s8(from + n - 16));
  } else if (n >= 8) {
    vst1_s8(to, vld1_s8(from));
    vst1_s8(to + n - 8, vld1_s8(from + n - 8));
  } else if (n >= 4) {
    uint32_t first;
    uint32_t last;
    __builtin_memcpy(&first, from, 4);
    __builtin_memcpy(&last, from + n - 4, 4);
    __builtin_memcpy(to, &first, 4);
    __builtin_memcpy(to + n - 4, &last, 4);
  } else {
    for (int32_t i = 0; i < n; ++i) {
      to[i] = from[i];
      __asm__ volatile("");
    }
  }
}

static inline void anvil_fill(int8_t *to, int8_t value, int32_t n) {
  const int8x16_t values = vdupq_n_s8(value);
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    vst1q_s8(to + i, values);
    __asm__ volatile("");
  }
  for (; i < n; ++i) {
    to[i] = value;
    __asm__ volatile("");
  }
}

/* One row of a window, at column x of the image's row `from`, tap by tap. */
static __attribute__((noinline)) void anvil_copy_taps(const anvil_image *image, const int8_t *from,
                                                      int32_t x, int8_t *to) {
  for (int32_t tap = 0; tap < image->filter_w; ++tap) {
    if (x >= 0 && x < image->input_w) {
      anvil_copy(to, from + x * image->channels, image->channels);
    } else {
      anvil_fill(to, image->zero_point, image->channels);
    }
    x += image->dilation_w;
    to += image->channels;
  }
}

/* A window that may lie across the image's border, and one with gaps. */
static __attribute__((noinline)) void anvil_copy_window_slowly(const anvil_image *image,
                                                               const int8_t *input, int32_t y,
                                                               int32_t x, int8_t *to) {
  const int32_t row = image->filter_w * image->channels;
  for (int32_t tap = 0; tap < image->filter_h; ++tap) {
    if (y < 0 || y >= image->input_h) {
      anvil_fill(to, image->zero_point, row);
    } else {
      anvil_copy_taps(image, input + y * image->input_w * image->channels, x, to);
    }
    y += image->dilation_h;
    to += row;
  }
}

/* The window whose first tap is at row y and column x, row by row; taps that lie outside of the
 * image hold the zero point. */
static inline void anvil_copy_window(const anvil_image *image, const int8_t *input, int32_t y,
                                     int32_t x, int8_t *to) {
  if (image->dilation_w != 1 || x < 0 || x + image->filter_w > image->input_w || y < 0 ||
      y + (image->filter_h - 1) * image->dilation_h >= image->input_h) {
    anvil_copy_window_slowly(image, input, y, x, to);
    return;
  }
  const int32_t image_row = image->input_w * image->channels;
  const int32_t row = image->filter_w * image->channels;
  const int8_t *from = input + y * image_row + x * image->channels;
  for (int32_t tap = image->filter_h; tap > 0; --tap) {
    anvil_copy(to, from, row);
    from += image->dilation_h * image_row;
    to += row;
  }
}

#endif
