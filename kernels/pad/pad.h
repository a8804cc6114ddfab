/* PAD with a constant. */
#ifndef ANVIL_PAD_H
#define ANVIL_PAD_H

#include <stdint.h>

typedef struct {
  int32_t n_elements; /* of the output */
  int32_t offset;     /* of the input's first element in the output */
  int32_t n_rows;     /* runs of the innermost loop */
  int32_t n_loops;    /* at least 1 */
  int32_t value;
} anvil_pad_int8_parameters;

typedef anvil_pad_int8_parameters anvil_pad_int16_parameters;

typedef struct {
  int32_t n_elements;
  int32_t offset;
  int32_t n_rows;
  int32_t n_loops;
  float value;
} anvil_pad_float32_parameters;

/* loops: over the input, {extent, stride of output} each, see common/loops.h. */
void anvil_pad_int8_copy__scalar(const anvil_pad_int8_parameters *parameters, const int8_t *input,
                                 const int32_t *loops, int8_t *output);

void anvil_pad_int16_copy__scalar(const anvil_pad_int16_parameters *parameters,
                                  const int16_t *input, const int32_t *loops, int16_t *output);

void anvil_pad_float32_copy__scalar(const anvil_pad_float32_parameters *parameters,
                                    const float *input, const int32_t *loops, float *output);

#endif
