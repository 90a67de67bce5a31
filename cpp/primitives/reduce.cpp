// The primitives that reduce axes.
#include "ops/reduce.h"

#include "primitives/batch.h"
#include "primitives/promotion.h"

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
