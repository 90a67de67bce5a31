// Reductions of arrays along axes.
#include "ops/reduce.h"

#include <type_traits>

#include "ops/move.h"
#include "ops/plain.h"
#include "ops/reduce_kernels.h"

namespace fallline {
namespace {

// Integers and bool, in plain C++: r = f(r, x) over the middle of (outer, n, inner).
template <class R, class T, class F>
void fold(const Array& x, int64_t outer, int64_t n, int64_t inner, R start, bool from_first, const Array& out, F f) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t j = 0; j < inner; ++j) {
      const T* p = x.as<T>() + o * n * inner + j;
      R r = from_first && n ? static_cast<R>(*p) : start;
      for (int64_t i = from_first ? 1 : 0; i < n; ++i) r = f(r, p[i * inner]);
      out.as<R>()[o * inner + j] = r;
    }
}

template <class T, class Better>
void fold_index(const Array& x, int64_t outer, int64_t n, int64_t inner, const Array& out, Better better) {
  for (int64_t o = 0; o < outer; ++o)
    for (int64_t j = 0; j < inner; ++j) {
      const T* p = x.as<T>() + o * n * inner + j;
      int64_t best = 0;
      for (int64_t i = 1; i < n; ++i)
        if (better(p[i * inner], p[best * inner])) best = i;
      out.as<int64_t>()[o * inner + j] = best;
    }
}

void reduce_whole(ReduceOp op, const Array& x, int64_t outer, int64_t n, int64_t inner, const Array& out) {
  visit(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    if constexpr (!std::is_floating_point_v<T>) {
      using Wide = std::conditional_t<std::is_unsigned_v<T> && !std::is_same_v<T, bool>, uint64_t, int64_t>;
      switch (op) {
        case ReduceOp::kSum:
          return fold<Wide, T>(x, outer, n, inner, 0, false, out, [](Wide r, T v) { return r + static_cast<Wide>(v); });
        case ReduceOp::kProd:
          return fold<Wide, T>(x, outer, n, inner, 1, false, out, [](Wide r, T v) { return r * static_cast<Wide>(v); });
        case ReduceOp::kMax:
          return fold<T, T>(x, outer, n, inner, T(0), true, out, [](T r, T v) { return v > r ? v : r; });
        case ReduceOp::kMin:
          return fold<T, T>(x, outer, n, inner, T(0), true, out, [](T r, T v) { return v < r ? v : r; });
        case ReduceOp::kArgmax:
          return fold_index<T>(x, outer, n, inner, out, [](T a, T b) { return a > b; });
        case ReduceOp::kArgmin:
          return fold_index<T>(x, outer, n, inner, out, [](T a, T b) { return a < b; });
        case ReduceOp::kLogsumexp:
          break;
      }
    }
  });
}

ReduceKernels::Kernel kernel_of(ReduceOp op, DType dtype) {
  const ReduceKernels& kernels = reduce_kernels();
  const ReduceKernels::Kernel* const rows[] = {kernels.sum,       kernels.prod,   kernels.max,   kernels.min,
                                               kernels.logsumexp, kernels.argmax, kernels.argmin};
  return rows[static_cast<int>(op)][float_index(dtype)];
}

int64_t stride_of(const Array& x, int64_t axis) { return x.strides[static_cast<int>(axis)]; }

// x with the reduced axes side by side in a row-major copy or view: (outer, n, inner).
Array arranged(const Array& x, const Dims& axes, int64_t& outer, int64_t& n, int64_t& inner) {
  outer = n = inner = 1;
  const int nd = x.ndim(), k = axes.size();
  for (int64_t axis : axes) n *= x.shape[static_cast<int>(axis)];
  const bool neighbours = k == 0 || axes[k - 1] - axes[0] == k - 1;
  if (neighbours) {
    const int first = k ? static_cast<int>(axes[0]) : nd;
    for (int i = 0; i < first; ++i) outer *= x.shape[i];
    for (int i = first + k; i < nd; ++i) inner *= x.shape[i];
    if (k == nd && is_dense(x.shape, x.strides)) return x;  // all of it: in the order of memory
    return contiguous(x);
  }
  Layout kept_first = x.layout();
  int to = 0;
  for (int i = 0; i < nd; ++i)
    if (!axes.contains(i)) kept_first.shape[to] = x.shape[i], kept_first.strides[to++] = x.strides[i];
  Dims order = axes;  // in the order of memory
  for (int i = 1; i < k; ++i)
    for (int j = i; j > 0 && stride_of(x, order[j - 1]) < stride_of(x, order[j]); --j)
      std::swap(order[j - 1], order[j]);
  for (int64_t axis : order) {
    kept_first.shape[to] = x.shape[static_cast<int>(axis)];
    kept_first.strides[to++] = stride_of(x, axis);
  }
  outer = n ? x.size() / n : 0;
  if (n == 0)
    for (int i = 0, o = 1; i < nd; ++i)
      if (!axes.contains(i)) outer = o *= static_cast<int>(x.shape[i]);
  return contiguous(x.view(kept_first));
}

}  // namespace

void reduce(ReduceOp op, const Array& x, const Dims& axes, const Array& out) {
  int64_t outer, n, inner;
  const Array from = arranged(x, axes, outer, n, inner);
  if (out.size() == 0) return;
  if (!is_float(x.dtype)) return reduce_whole(op, from, outer, n, inner, out);
  kernel_of(op, x.dtype)(from.data, out.data, outer, n, inner);
}

std::function<void()> prepared_reduce(ReduceOp op, const Array& x, const Dims& axes, const Array& out) {
  int64_t outer, n, inner;
  if (!is_float(x.dtype) || out.size() == 0 || !x.row_major()) return nullptr;
  const int k = axes.size();
  if (k && axes[k - 1] - axes[0] != k - 1) return nullptr;
  arranged(x, axes, outer, n, inner);
  return [kernel = kernel_of(op, x.dtype), &x, &out, outer, n, inner] { kernel(x.data, out.data, outer, n, inner); };
}

}  // namespace fallline
