/* FULLY_CONNECTED: input (batches, depth), weights (units, depth), output (batches, units). */
#ifndef ANVIL_FULLY_CONNECTED_H
#define ANVIL_FULLY_CONNECTED_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t depth;
  int32_t units;
  int32_t multiplier_stride; /* 0: one multiplier for all units; 1: one for each */
  int32_t output_zero_point;
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
} anvil_fully_connected_int8_parameters;

/* bias has the input's zero point in it: bias - zero_point * sum(weights) of each unit.
 * multiplier, multiplier_low and shift rescale each unit's sum, see anvil_rescale_once. */
void anvil_fully_connected_int8_direct__scalar(
    const anvil_fully_connected_int8_parameters *parameters, const int8_t *input,
    const int8_t *weights, const int32_t *bias, const int32_t *multiplier,
    const int32_t *multiplier_low, const int32_t *shift, int8_t *output);

typedef struct {
  int32_t batches;
  int32_t depth;
  int32_t units;
  int32_t multiplier_stride; /* 0: one multiplier for all units; 1: one for each */
  int32_t sum_bits;          /* 64, or 32: sums that wrap around */
  int32_t output_min;        /* bounds of the fused activation */
  int32_t output_max;
} anvil_fully_connected_int16_parameters;

/* multiplier, multiplier_low and shift rescale each unit's sum, see anvil_rescale_once. */
void anvil_fully_connected_int16_direct__scalar(
    const anvil_fully_connected_int16_parameters *parameters, const int16_t *input,
    const int8_t *weights, const int64_t *bias, const int32_t *multiplier,
    const int32_t *multiplier_low, const int32_t *shift, int16_t *output);

typedef struct {
  int32_t batches;
  int32_t depth;
  int32_t units;
  float output_min; /* bounds of the fused activation */
  float output_max;
} anvil_fully_connected_float32_parameters;

void anvil_fully_connected_float32_direct__scalar(
    const anvil_fully_connected_float32_parameters *parameters, const float *input,
    const float *weights, const float *bias, float *output);

typedef anvil_fully_connected_float32_parameters anvil_fully_connected_float16_parameters;

/* Inputs and sums are float; the weights are half-precision numbers, see common/half.h. */
void anvil_fully_connected_float16_direct__scalar(
    const anvil_fully_connected_float16_parameters *parameters, const float *input,
    const uint16_t *weights, const float *bias, float *output);

#endif
