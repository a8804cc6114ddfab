/* CONCATENATION, one input at a time. */
#ifndef ANVIL_CONCATENATION_H
#define ANVIL_CONCATENATION_H

#include <stdint.h>

/* A row is what lies together: the axis and everything inside it. */
typedef struct {
  int32_t n_rows;
  int32_t row_elements;        /* of this input */
  int32_t output_row_elements; /* of all inputs together */
  int32_t output_offset;       /* of this input within a row of the output */
} anvil_concatenation_int8_parameters;

typedef anvil_concatenation_int8_parameters anvil_concatenation_int16_parameters;
typedef anvil_concatenation_int8_parameters anvil_concatenation_float32_parameters;

void anvil_concatenation_int8_copy__scalar(const anvil_concatenation_int8_parameters *parameters,
                                           const int8_t *input, int8_t *output);

void anvil_concatenation_int16_copy__scalar(const anvil_concatenation_int16_parameters *parameters,
                                            const int16_t *input, int16_t *output);

void anvil_concatenation_float32_copy__scalar(
    const anvil_concatenation_float32_parameters *parameters, const float *input, float *output);

#endif
