#include "fully_connected/fully_connected__dsp.h"

static void copy(int8_t *to, const int8_t *from, int32_t n_bytes) {
  for (int32_t i = 0; i < n_bytes; ++i) {
    to[i] = from[i];
  }
}

/* Rows of whole blocks and words are read and written where they lie; what is left of a row's last
 * word is read in scratch, so that nothing beyond it is, and so are written what fills up the last
 * block of units. All of a row is read before its last block is written. */
void anvil_fully_connected_int8_blocks__dsp(
    const anvil_fully_connected_int8_blocks_parameters *parameters, const int8_t *input,
    const int32_t *stream, int8_t *output, void *scratch) {
  const anvil_fully_connected_int8_blocks_parameters p = *parameters;
  const anvil_dsp_row row = {(p.units + 7) >> 3, p.n_steps >> 1, p.own_exponents};
  const int32_t n_words = 8 + 4 * p.n_steps + 8 * (p.own_exponents ? 5 : 3); /* of a block */
  const anvil_dsp_row whole = {p.units >> 3, row.n_fours, row.own_exponents};
  const anvil_dsp_row last = {1, row.n_fours, row.own_exponents};
  int8_t *const spare = scratch;
  int8_t *const filled = spare + 8;

  for (int32_t batch = 0; batch < p.batches; ++batch) {
    const int8_t *values = input;
    if ((p.depth & 3) != 0) {
      copy(filled, input, p.depth);
      values = filled;
    }
    if (whole.n_blocks > 0) {
      anvil_dsp_row_8(values, stream, output, &whole);
    }
    if (row.n_blocks > whole.n_blocks) {
      anvil_dsp_row_8(values, stream + whole.n_blocks * n_words, spare, &last);
      copy(output + 8 * whole.n_blocks, spare, p.units & 7);
    }
    input += p.depth;
    output += p.units;
  }
}
