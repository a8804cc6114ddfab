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

/* Copies n bytes, 16 or more. The last load and store overlap those before, so that no byte beyond
 * the n is touched. */
static inline void anvil_copy_vectors(int8_t *restrict to, const int8_t *restrict from, int32_t n) {
  if (n < 32) {
    const int8x16_t last = vld1q_s8(from + n - 16);
    vst1q_s8(to, vld1q_s8(from));
    vst1q_s8(to + n - 16, last);
    return;
  }
  const int8_t *const from_end = from + n - 32;
  int8_t *const to_end = to + n - 32;
  for (; from < from_end; from += 32) {
    vst1q_s8_x2(to, vld1q_s8_x2(from));
    to += 32;
    /* Keeps the compiler from unrolling a loop that mostly runs for a few rounds. */
    __asm__ volatile("");
  }
  vst1q_s8_x2(to_end, vld1q_s8_x2(from_end));
}

/* Copies the rows of a block, n bytes each, which lie side by side in `to`. Loads of 4 and 8 bytes
 * go through memcpy, since they are not aligned. */
static __attribute__((noinline)) void anvil_copy_rows(int8_t *restrict to, int32_t to_step,
                                                      const int8_t *restrict from,
                                                      int32_t from_step, int32_t n,
                                                      int32_t n_rows) {
  if (n >= 16) {
    for (; n_rows > 0; --n_rows) {
      anvil_copy_vectors(to, from, n);
      to += to_step;
      from += from_step;
    }
  } else if (n >= 8) {
    for (; n_rows > 0; --n_rows) {
      const int8x8_t last = vld1_s8(from + n - 8);
      vst1_s8(to, vld1_s8(from));
      vst1_s8(to + n - 8, last);
      to += to_step;
      from += from_step;
    }
  } else if (n >= 4) {
    for (; n_rows > 0; --n_rows) {
      uint32_t first;
      uint32_t last;
      __builtin_memcpy(&first, from, 4);
      __builtin_memcpy(&last, from + n - 4, 4);
      __builtin_memcpy(to, &first, 4);
      __builtin_memcpy(to + n - 4, &last, 4);
      to += to_step;
      from += from_step;
    }
  } else {
    for (; n_rows > 0; --n_rows) {
      for (int32_t i = 0; i < n; ++i) {
        to[i] = from[i];
        __asm__ volatile("");
      }
      to += to_step;
      from += from_step;
    }
  }
}

/* Copies n bytes. */
static inline void anvil_copy(int8_t *restrict to, const int8_t *restrict from, int32_t n) {
  if (n >= 16) {
    anvil_copy_vectors(to, from, n);
  } else {
    anvil_copy_rows(to, 0, from, 0, n, 1);
  }
}

static inline void anvil_fill(int8_t *to, int8_t value, int32_t n) {
  const int8x16_t values = vdupq_n_s8(value);
  int32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    vst1q_s8(to + i, values);
    __asm__ volatile("");
  }
  if (n >= 16) {
    vst1q_s8(to + n - 16, values);
    return;
  }
  for (; i < n; ++i) {
    to[i] = value;
    __asm__ volatile("");
  }
}

/* A window that may lie across the image's border, and one with gaps. */
static __attribute__((noinline)) void anvil_copy_window_slowly(const anvil_image *image,
                                                               const int8_t *input, int32_t y,
                                                               int32_t x, int8_t *to) {
  const int32_t channels = image->channels;
  const int32_t row = image->filter_w * channels;
  anvil_fill(to, image->zero_point, image->filter_h * row);
  int32_t first_y = 0;
  int32_t end_y = image->filter_h;
  while (first_y < end_y && y + first_y * image->dilation_h < 0) {
    ++first_y;
  }
  while (first_y < end_y && y + (end_y - 1) * image->dilation_h >= image->input_h) {
    --end_y;
  }
  /* What lies side by side in the image: a row of the window, or one of its taps. */
  const int32_t n_taps = image->dilation_w == 1 ? image->filter_w : 1;
  const int32_t image_row = image->input_w * channels;
  const int8_t *const from = input + (y + first_y * image->dilation_h) * image_row;
  to += first_y * row;
  for (int32_t tap = 0; tap < image->filter_w; tap += n_taps) {
    const int32_t first = x < 0 ? -x : 0;
    const int32_t end = x + n_taps > image->input_w ? image->input_w - x : n_taps;
    if (first < end) {
      anvil_copy_rows(to + first * channels, row, from + (x + first) * channels,
                      image->dilation_h * image_row, (end - first) * channels, end_y - first_y);
    }
    x += image->dilation_w;
    to += n_taps * channels;
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
  anvil_copy_rows(to, row, input + y * image_row + x * image->channels,
                  image->dilation_h * image_row, row, image->filter_h);
}

#endif
