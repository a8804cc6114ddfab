#include "common/loops.h"
#include "pad/pad.h"

void anvil_pad_float32_copy__scalar(const anvil_pad_float32_parameters *parameters,
                                    const float *input, const int32_t *loops, float *output) {
  const anvil_pad_float32_parameters p = *parameters;
  const int32_t n_outer = p.n_loops - 1;
  const int32_t *inner = loops + n_outer * 2;

  for (int32_t i = 0; i < p.n_elements; ++i) {
    output[i] = p.value;
  }
  for (int32_t row = 0; row < p.n_rows; ++row) {
    float *target = output + p.offset + anvil_loops_offset(loops, n_outer, 2, 1, row);
    for (int32_t i = 0; i < inner[0]; ++i) {
      target[i * inner[1]] = *input++;
    }
  }
}
