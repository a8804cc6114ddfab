/* Which taps of a window lie inside the image, along one axis. */
#ifndef ANVIL_COMMON_WINDOW_H
#define ANVIL_COMMON_WINDOW_H

#include <stdint.h>

/* Taps `begin` to `end` - 1; empty where begin >= end. */
typedef struct {
  int32_t begin;
  int32_t end;
} anvil_taps;

/* The taps at origin, origin + dilation, ... (n_taps of them) that are in [0, extent). */
static inline anvil_taps anvil_taps_inside(int32_t origin, int32_t extent, int32_t n_taps,
                                           int32_t dilation) {
  anvil_taps taps = {0, n_taps};
  if (origin < 0) {
    taps.begin = (dilation - 1 - origin) / dilation;
  }
  const int32_t room = extent - origin;
  if (room <= 0) {
    taps.end = 0;
  } else if ((room + dilation - 1) / dilation < n_taps) {
    taps.end = (room + dilation - 1) / dilation;
  }
  return taps;
}

#endif
