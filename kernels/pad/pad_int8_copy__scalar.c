#include "common/loops.h"
#include "pad/pad.h"

void anvil_pad_int8_copy__scalar(const anvil_pad_int8_parameters *parameters, const int8_t *input,
                                 const int32_t *loops, int8_t *output) {
  const anvil_pad_int8_parameters p = *parameters;
  const int32_t n_outer = p.n_loops - 1;
  const int32_t *inner = loops + n_outer * 2;

  for (int32_t i = 0; i < p.n_elements; ++i) {
    output[i] = (int8_t)p.value;
  }
  for (int32_t row = 0; row < p.n_rows; ++row) {
    int8_t *target = output + p.offset + anvil_loops_offset(loops, n_outer, 2, 1, row);
    for (int32_t i = 0; i < inner[0]; ++i) {
      target[i * inner[1]] = *input++;
    }
  }
}
