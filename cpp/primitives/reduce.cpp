// The primitives that reduce axes.
#include "ops/reduce.h"

#include <algorithm>

#include "ops/move.h"
#include "ops/reduce_kernels.h"
#include "primitives/batch.h"
#include "primitives/promotion.h"
#include "simd/parallel.h"

namespace fallline {
namespace {

struct ReduceAttrs {
  Dims axes;  // sorted
  bool keepdims;
  FL_FIELDS(axes, keepdims);
};
const Dims& axes_of(Attrs a) { return a.as<ReduceAttrs>().axes; }

Layout reduced(Inputs in, Attrs a, DType dtype) {
  Layout out;
  out.dtype = dtype;
  for (int i = 0; i < in[0].ndim(); ++i) {
    if (!axes_of(a).contains(i))
      out.shape.push_back(in[0].shape[i]);
    else if (a.as<ReduceAttrs>().keepdims)
      out.shape.push_back(1);
  }
  return out;
}
Layout reduced_same(Inputs in, Attrs a) { return reduced(in, a, in[0].dtype); }
Layout reduced_index(Inputs in, Attrs a) { return reduced(in, a, DType::kInt64); }
// NumPy sums small integers and bool in 64 bits.
Layout reduced_sum(Inputs in, Attrs a) {
  const DType d = in[0].dtype;
  return reduced(in, a, is_float(d) ? d : is_unsigned(d) ? DType::kUint64 : DType::kInt64);
}
template <ReduceOp op>
void eval_reduce(Inputs in, const Array& out, Attrs a) {
  reduce(op, in[0], axes_of(a), out);
}
template <ReduceOp op>
std::function<void()> prepare_reduce(Inputs in, const Array& out, Attrs a) {
  return prepared_reduce(op, in[0], axes_of(a), out);
}

// A reduced array with its axes back as length 1, so that it broadcasts against the input.
Var restored(const Var& y, const Dims& axes, const Dims& in_shape) {
  Dims shape = in_shape;
  for (int64_t axis : axes) shape[static_cast<int>(axis)] = 1;
  return reshape(y, shape);
}

// Reduces the same axes of all examples.
Vars batch_reduced(const BatchedCall& b) {
  const ReduceAttrs& one = b.attrs.as<ReduceAttrs>();
  return {apply(b.primitive, {b[0]}, ReduceAttrs{after_first(one.axes), one.keepdims})};
}

constexpr Primitive kSum =
    primitive("sum", reduced_sum)
        .vjp(
            [](Pullback& p) { p.gin[0] = broadcast_to(restored(p.g, axes_of(p.attrs), p.in_shape[0]), p.in_shape[0]); },
            kReadsNone)
        .batch(batch_reduced)
        .run(eval_reduce<ReduceOp::kSum>)
        .prepared(prepare_reduce<ReduceOp::kSum>);

struct InnerAttrs {
  int64_t kept;  // the axes in front
  FL_FIELDS(kept);
};
// The sums of products in float64, of row-major arrays.
void inner_of(const Array& x, const Array& y, const Array& out) {
  const auto inner = reduce_kernels().inner[float_index(x.dtype)];
  const int64_t rows = out.size(), n = rows ? x.size() / rows : 0, bytes = n * static_cast<int64_t>(size_of(x.dtype));
  for_chunks(rows, std::max<int64_t>(1, kSweepGrain / std::max<int64_t>(n, 1)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) out.as<double>()[i] = inner(x.data + i * bytes, y.data + i * bytes, n);
  });
}
Layout inner_layout(Inputs in, Attrs a) {
  if (!is_float(in[0].dtype) || in[0].dtype != in[1].dtype || in[0].shape != in[1].shape)
    throw ShapeError("[inner] expected two float arrays of one shape and dtype, got " +
                     std::string(name_of(in[0].dtype)) + to_string(in[0].shape) + " and " + name_of(in[1].dtype) +
                     to_string(in[1].shape));
  Layout out;
  out.dtype = DType::kFloat64;
  for (int i = 0; i < a.as<InnerAttrs>().kept; ++i) out.shape.push_back(in[0].shape[i]);
  return out;
}
void pull_inner(Pullback& p) {
  Dims shape = p.in_shape[0];
  for (int i = static_cast<int>(p.attrs.as<InnerAttrs>().kept); i < shape.size(); ++i) shape[i] = 1;
  for (int i = 0; i < 2; ++i)
    if (p.wants(i)) p.gin[i] = to(reshape(p.g, shape) * to(p.in[1 - i], DType::kFloat64), p.in[i].dtype());
}
// All products may be added in the order of memory, if both lie in one.
bool lie_ready(Inputs in, Attrs a) {
  const Array& x = in[0];
  return x.strides == in[1].strides && (x.row_major() || (!a.as<InnerAttrs>().kept && is_dense(x.shape, x.strides)));
}
std::function<void()> prepare_inner(Inputs in, const Array& out, Attrs a) {
  if (!lie_ready(in, a)) return nullptr;
  return [&x = in[0], &y = in[1], &out] { inner_of(x, y, out); };
}
constexpr Primitive kInner =
    primitive("inner", inner_layout)
        .vjp(pull_inner, kReadsA | kReadsB)
        .batch([](const BatchedCall& b) -> Vars {
          return {inner(spread(b, 0), spread(b, 1), 1 + static_cast<int>(b.attrs.as<InnerAttrs>().kept))};
        })
        .run([](Inputs in, const Array& out, Attrs a) {
          if (lie_ready(in, a)) return inner_of(in[0], in[1], out);
          inner_of(contiguous(in[0]), contiguous(in[1]), out);
        })
        .prepared(prepare_inner);

// Equal extremes share the gradient equally.
void pull_extreme(Pullback& p) {
  const Dims& shape = p.in_shape[0];
  const Var chosen = astype(equal(p.in[0], restored(p.out, axes_of(p.attrs), shape)), p.g.dtype());
  const Var share = restored(p.g, axes_of(p.attrs), shape) / sum(chosen, axes_of(p.attrs), true);
  p.gin[0] = chosen * share;
}
constexpr Primitive kMax = primitive("max", reduced_same)
                               .vjp(pull_extreme, kReadsX | kReadsY)
                               .batch(batch_reduced)
                               .run(eval_reduce<ReduceOp::kMax>);
constexpr Primitive kMin = primitive("min", reduced_same)
                               .vjp(pull_extreme, kReadsX | kReadsY)
                               .batch(batch_reduced)
                               .run(eval_reduce<ReduceOp::kMin>);
constexpr Primitive kLogsumexp = primitive("logsumexp", reduced_same)
                                     .vjp(
                                         [](Pullback& p) {
                                           const Dims& shape = p.in_shape[0];
                                           p.gin[0] = restored(p.g, axes_of(p.attrs), shape) *
                                                      exp(p.in[0] - restored(p.out, axes_of(p.attrs), shape));
                                         },
                                         kReadsX | kReadsY)
                                     .batch(batch_reduced)
                                     .run(eval_reduce<ReduceOp::kLogsumexp>);
constexpr Primitive kArgmax =
    primitive("argmax", reduced_index).constant().batch(batch_reduced).run(eval_reduce<ReduceOp::kArgmax>);
constexpr Primitive kArgmin =
    primitive("argmin", reduced_index).constant().batch(batch_reduced).run(eval_reduce<ReduceOp::kArgmin>);

void check_not_empty(const Var& x, const Dims& axes, const char* op) {
  for (int64_t axis : axes)
    if (x.shape()[static_cast<int>(axis)] == 0)
      throw ShapeError("[" + std::string(op) + "] axis " + std::to_string(axis) +
                       " has no elements: " + to_string(x.shape()));
}

}  // namespace

Dims all_axes(const Var& x) {
  Dims axes;
  for (int i = 0; i < x.shape().size(); ++i) axes.push_back(i);
  return axes;
}

Var inner(const Var& x, const Var& y, int kept) { return apply(kInner, {&x, &y}, InnerAttrs{kept}); }
Var sum(const Var& x, const Dims& axes, bool keepdims) { return apply(kSum, {&x}, ReduceAttrs{axes, keepdims}); }
Var mean(const Var& x, const Dims& axes, bool keepdims) {
  const Var y = to_float(x);
  double n = 1;
  for (int64_t axis : axes) n *= static_cast<double>(y.shape()[static_cast<int>(axis)]);
  return sum(y, axes, keepdims) / Var(n);
}
Var amax(const Var& x, const Dims& axes, bool keepdims) {
  check_not_empty(x, axes, "max");
  return apply(kMax, {&x}, ReduceAttrs{axes, keepdims});
}
Var amin(const Var& x, const Dims& axes, bool keepdims) {
  check_not_empty(x, axes, "min");
  return apply(kMin, {&x}, ReduceAttrs{axes, keepdims});
}
Var logsumexp(const Var& x, const Dims& axes, bool keepdims) {
  return apply(kLogsumexp, {to_float(x)}, ReduceAttrs{axes, keepdims});
}
Var argmax(const Var& x, int axis, bool keepdims) {
  check_not_empty(x, {axis}, "argmax");
  return apply(kArgmax, {&x}, ReduceAttrs{{axis}, keepdims});
}
Var argmin(const Var& x, int axis, bool keepdims) {
  check_not_empty(x, {axis}, "argmin");
  return apply(kArgmin, {&x}, ReduceAttrs{{axis}, keepdims});
}

Var sum_to(const Var& x, const Dims& shape) {
  const int extra = x.shape().size() - shape.size();
  Dims axes;
  for (int i = 0; i < x.shape().size(); ++i)
    if (i < extra || (shape[i - extra] == 1 && x.shape()[i] != 1)) axes.push_back(i);
  return reshape(axes.empty() ? x : sum(x, axes, true), shape);
}

}  // namespace fallline
