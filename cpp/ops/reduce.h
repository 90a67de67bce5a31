// Reductions of arrays along axes.
#ifndef FALLLINE_OPS_REDUCE_H_
#define FALLLINE_OPS_REDUCE_H_

#include <functional>

#include "tensor/array.h"

namespace fallline {

enum class ReduceOp : int { kSum, kProd, kMax, kMin, kLogsumexp, kArgmax, kArgmin };

// `axes` are sorted and distinct; `out` is row-major and has one element for each index of the other axes.
void reduce(ReduceOp op, const Array& x, const Dims& axes, const Array& out);
// The same with all decided, for plans: x and out are read where they lie at each call. Null where x must be copied
// first, or is no float.
std::function<void()> prepared_reduce(ReduceOp op, const Array& x, const Dims& axes, const Array& out);

}  // namespace fallline

#endif  // FALLLINE_OPS_REDUCE_H_
