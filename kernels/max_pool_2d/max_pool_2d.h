/* MAX_POOL_2D: images NHWC. */
#ifndef ANVIL_MAX_POOL_2D_H
#define ANVIL_MAX_POOL_2D_H

#include <stdint.h>

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t channels;
  int32_t output_h;
  int32_t output_w;
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  int32_t output_min; /* bounds of the fused activation */
  int32_t output_max;
} anvil_max_pool_2d_int8_parameters;

typedef anvil_max_pool_2d_int8_parameters anvil_max_pool_2d_int16_parameters;

typedef struct {
  int32_t batches;
  int32_t input_h;
  int32_t input_w;
  int32_t channels;
  int32_t output_h;
  int32_t output_w;
  int32_t filter_h;
  int32_t filter_w;
  int32_t stride_h;
  int32_t stride_w;
  int32_t pad_top;
  int32_t pad_left;
  float output_min;
  float output_max;
} anvil_max_pool_2d_float32_parameters;

void anvil_max_pool_2d_int8_direct__scalar(const anvil_max_pool_2d_int8_parameters *parameters,
                                           const int8_t *input, int8_t *output);

void anvil_max_pool_2d_int16_direct__scalar(const anvil_max_pool_2d_int16_parameters *parameters,
                                            const int16_t *input, int16_t *output);

void anvil_max_pool_2d_float32_direct__scalar(
    const anvil_max_pool_2d_float32_parameters *parameters, const float *input, float *output);

#endif
