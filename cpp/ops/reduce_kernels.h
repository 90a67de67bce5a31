// Which reductions exist over consecutive memory?  The table of kernels for the active target.
#ifndef FALLLINE_OPS_REDUCE_KERNELS_H_
#define FALLLINE_OPS_REDUCE_KERNELS_H_

#include <cstdint>

namespace fallline {

// x is (outer, n, inner), row-major; out is (outer, inner), of x's type (argmax, argmin: int64). [0] float, [1] double.
//
// The order of a sum depends on n alone (and on whether inner is 1): never on the target or on the threads.
// - inner = 1: up to 16 elements in order; else 64 running sums (double: 32) walk a block of 4,096 elements and are
//   added by halves; the sums of the blocks are joined by a binary tree, the largest power of two of them on the left.
// - inner > 1: every column adds the rows of a group of 256 in order; the groups are joined by the same tree.
// A product likewise. max and min are NaN where an element is, as NumPy's; of zeros with two signs either
// may come out.
// logsumexp = m + log(sum(exp(x - m))), m = max(x): -inf for rows of -inf, +inf where there is one, never inf - inf.
// argmax and argmin give the first of equals, and the first NaN where there is one. They need n >= 1; for n = 0 sum is
// 0, prod 1, max -inf, min +inf, logsumexp -inf.
struct ReduceKernels {
  using Kernel = void (*)(const void* x, void* out, int64_t outer, int64_t n, int64_t inner);
  Kernel sum[2], prod[2], max[2], min[2], logsumexp[2], argmax[2], argmin[2];
  // The sum of the squares of n elements: blocks as in `sum`, joined in double in order. At most 256 pieces, whose
  // length depends on n alone, are spread over the threads.
  double (*sum_squares[2])(const void* x, int64_t n);
  // The sum of n products x[i] y[i], each formed and added in double: it overflows only where their sum does. The
  // pieces are those of sum_squares.
  double (*inner[2])(const void* x, const void* y, int64_t n);
  // sums[j] += x[i, j]^2, row after row; or =, where `fresh`. Rows of x are `stride` elements apart.
  void (*add_squares[2])(const void* x, int64_t rows, int64_t columns, int64_t stride, bool fresh, void* sums);
};
const ReduceKernels& reduce_kernels();

}  // namespace fallline

#endif  // FALLLINE_OPS_REDUCE_KERNELS_H_
