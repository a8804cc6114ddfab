/* Tables of nested loops over strided tensors.
 *
 * A table has one row per loop, outermost first: the loop's extent, then one stride in
 * elements for each tensor that the loops walk through. Kernels run the innermost loop
 * themselves and ask here where each of its runs starts, so that the divisions below are
 * paid once per row. */
#ifndef ANVIL_COMMON_LOOPS_H
#define ANVIL_COMMON_LOOPS_H

#include <stdint.h>

/* The offset, in elements, of run `index` of the first `n_loops` loops for the tensor whose
 * strides stand in `column` (1 for the first tensor). */
static inline int32_t anvil_loops_offset(const int32_t *loops, int32_t n_loops, int32_t n_columns,
                                         int32_t column, int32_t index) {
  int32_t offset = 0;
  for (int32_t loop = n_loops - 1; loop >= 0; --loop) {
    const int32_t *row = loops + loop * n_columns;
    offset += index % row[0] * row[column];
    index /= row[0];
  }
  return offset;
}

#endif
