// Reductions of arrays along axes.
#ifndef FALLLINE_OPS_REDUCE_H_
#define FALLLINE_OPS_REDUCE_H_

#include "tensor/array.h"

namespace fallline {

enum class ReduceOp : int { kSum, kProd, kMax, kMin, kLogsumexp, kArgmax, kArgmin };

// `axes` are sorted and distinct; `out` is row-major and has one element for each index of the other axes.
void reduce(ReduceOp op, const Array& x, const Dims& axes, const Array& out);

}  // namespace fallline

#endif  // FALLLINE_OPS_REDUCE_H_
