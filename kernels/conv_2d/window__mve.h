/* A window of an image without gaps as one run of bytes: window__mve.S. */
#ifndef ANVIL_CONV_2D_WINDOW_MVE_H
#define ANVIL_CONV_2D_WINDOW_MVE_H

#include <stdint.h>

enum { ANVIL_WINDOW_BEYOND = 15 }; /* bytes behind a window that may be written, too */

/* Sizes in bytes. What is beside the image becomes `value`. */
typedef struct {
  int32_t value;
  int32_t row;    /* from a row of the image to the next */
  int32_t run;    /* a row of the window */
  int32_t left;   /* of such a row, before the image */
  int32_t inside; /* of such a row, in the image, behind `left`; at least 0 */
  uint32_t mask;  /* the bits of the bytes inside, where a run has 16 bytes or less */
  int32_t above;  /* of the window, before the image's first row */
  int32_t n_rows; /* inside the image */
  int32_t below;
} anvil_window;

/* `from`: where the window's first row inside the image begins, or would if it were there. */
void anvil_window__mve(const anvil_window *window, const int8_t *from, int8_t *to);

#endif
