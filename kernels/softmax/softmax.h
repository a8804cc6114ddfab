/* SOFTMAX over the last axis. */
#ifndef ANVIL_SOFTMAX_H
#define ANVIL_SOFTMAX_H

#include <stdint.h>

typedef struct {
  int32_t n_rows;
  int32_t depth; /* elements of a row, at most 4095 */
  int32_t n_exponentials;
} anvil_softmax_int8_parameters;

/* exponentials: of 0, -1, -2, ... steps of the input, in Q0.31; what lies beyond is 0. */
void anvil_softmax_int8_fixed_point__scalar(const anvil_softmax_int8_parameters *parameters,
                                            const int8_t *input, const int32_t *exponentials,
                                            int8_t *output);

#endif
