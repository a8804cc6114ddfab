/* A function of one int8 value: RELU, RELU6, LOGISTIC, and QUANTIZE from int8 to int8. */
#ifndef ANVIL_LOOKUP_H
#define ANVIL_LOOKUP_H

#include <stdint.h>

typedef struct {
  int32_t n_elements;
} anvil_lookup_int8_parameters;

/* table: 256 results, those of 0 to 127 first and then those of -128 to -1. */
void anvil_lookup_int8_table__scalar(const anvil_lookup_int8_parameters *parameters,
                                     const int8_t *input, const int8_t *table, int8_t *output);

#endif
