// The primitives that gather elements by index, add them up by index, and join arrays.
#include "ops/move.h"

#include "primitives/batch.h"
#include "primitives/promotion.h"
#include "ops/plain.h"

namespace fallline {
namespace {

struct AxisAttrs {
  int64_t axis;
  FL_FIELDS(axis);
};
struct ScatterAttrs {
  int64_t axis, length;  // of the axis
  FL_FIELDS(axis, length);
};
int axis_of(Attrs a) { return static_cast<int>(a.as<AxisAttrs>().axis); }

Layout gathered(const Dims& shape, DType dtype, int64_t axis, int64_t length) {
  Layout out{dtype, shape, -1, 0, {}};
  out.shape[static_cast<int>(axis)] = length;
  return out;
}

extern const Primitive kScatterAdd;
// Indices into one array for each example, as indices into all of them in a row.
constexpr Primitive kRowIndices =  // (examples, n)
    primitive("row_indices", like_first).constant().batch(batch_rows).run([](Inputs in, const Array& out, Attrs a) {
      const int64_t length = a.as<AxisAttrs>().axis;
      check_indices(in[0], length, "take");
      cast(in[0], out);
      const int64_t n = in[0].shape[1];
      for (int64_t i = 0; i < in[0].shape[0]; ++i)
        for (int64_t j = 0; j < n; ++j) out.as<int64_t>()[i * n + j] += i * length;
    });
Var row_indices(const BatchedCall& b, int64_t length) {
  return reshape(apply(kRowIndices, {copy(spread(b, 1))}, AxisAttrs{length}), {-1});
}

Vars batch_take(const BatchedCall& b) {
  const int axis = axis_of(b.attrs);
  if (!b.has(1)) return {apply(b.primitive, {b[0], b[1]}, AxisAttrs{axis + 1})};
  if (!b.has(0)) return {moved_back(unfolded(take(b[0], reshape(b[1], {-1}), axis), b.size, axis), axis)};
  const Var x = moved(b[0], axis);
  const Var indices = row_indices(b, x.shape()[axis + 1]);
  return {moved_back(unfolded(take(folded(x, axis), indices, axis), b.size, axis), axis)};
}
Vars batch_scatter_add(const BatchedCall& b) {
  const auto& [axis, length] = b.attrs.as<ScatterAttrs>();
  if (!b.has(1)) return {apply(b.primitive, {b[0], b[1]}, ScatterAttrs{axis + 1, length})};
  const int at = static_cast<int>(axis);
  const Var g = folded(moved(spread(b, 0), at), at);
  const Var all = apply(b.primitive, {g, row_indices(b, length)}, ScatterAttrs{axis, length * b.size});
  return {moved_back(unfolded(all, b.size, at), at)};
}

constexpr Primitive kTake =
    primitive("take", [](Inputs in, Attrs a) { return gathered(in[0].shape, in[0].dtype, axis_of(a), in[1].shape[0]); })
        .vjp(
            [](Pullback& p) {
              if (!p.wants(0)) return;
              const int axis = axis_of(p.attrs);
              p.gin[0] = apply(kScatterAdd, {&p.g, &p.in[1]}, ScatterAttrs{axis, p.in_shape[0][axis]});
            },
            kReadsB)
        .batch(batch_take)
        .run([](Inputs in, const Array& out, Attrs a) {
          check_indices(in[1], in[0].shape[axis_of(a)], "take");
          take(in[0], in[1], axis_of(a), out);
        });
constexpr Primitive kScatterAdd =
    primitive("scatter_add",
              [](Inputs in, Attrs a) {
                const ScatterAttrs& s = a.as<ScatterAttrs>();
                return gathered(in[0].shape, in[0].dtype, s.axis, s.length);
              })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kTake, {&p.g, &p.in[1]}, AxisAttrs{p.attrs.as<ScatterAttrs>().axis});
            },
            kReadsB)
        .batch(batch_scatter_add)
        .run([](Inputs in, const Array& out, Attrs a) {
          scatter_add(in[0], in[1], static_cast<int>(a.as<ScatterAttrs>().axis), out);
        });

constexpr Primitive kArgsort =
    primitive("argsort",
              [](Inputs in, Attrs) {
                return Layout{DType::kInt64, in[0].shape, -1, 0, row_major(in[0].shape)};
              })
        .constant()
        .batch([](const BatchedCall& b) { return Vars{apply(b.primitive, {b[0]}, AxisAttrs{axis_of(b.attrs) + 1})}; })
        .run([](Inputs in, const Array& out, Attrs a) { argsort(in[0], axis_of(a), out); });

Layout joined(Inputs in, Attrs a) {
  const int axis = axis_of(a);
  int64_t length = 0;
  for (int i = 0; i < in.count; ++i) {
    Dims other = in[i].shape;
    if (other.size() == in[0].ndim()) other[axis] = in[0].shape[axis];
    if (other != in[0].shape)
      throw ShapeError("[concatenate] shapes differ outside of axis " + std::to_string(axis) + ": " +
                       to_string(in[0].shape) + " and " + to_string(in[i].shape));
    length += in[i].shape[axis];
  }
  return gathered(in[0].shape, in[0].dtype, axis, length);
}

void pull_joined(Pullback& p) {
  const int axis = axis_of(p.attrs);
  const int n = p.g.shape().size();
  Dims starts = Dims::filled(n, 0);
  const int64_t total = p.g.shape()[axis];
  for (int i = 0; starts[axis] < total; ++i) {
    const Dims& part = p.in_shape[i];
    if (p.wants(i)) p.gin[i] = slice(p.g, starts, part, Dims::filled(n, 1));
    starts[axis] += part[axis];
  }
}

constexpr Primitive kConcatenate = primitive("concatenate", joined)
                                       .vjp(pull_joined, kReadsNone)
                                       .batch([](const BatchedCall& b) {
                                         Vars parts;
                                         for (int i = 0; i < b.count(); ++i) parts.push_back(spread(b, i));
                                         return Vars{concatenate(parts, axis_of(b.attrs) + 1)};
                                       })
                                       .run([](Inputs in, const Array& out, Attrs a) {
                                         std::vector<Array> parts;
                                         for (int i = 0; i < in.count; ++i) parts.push_back(in[i]);
                                         concatenate(parts.data(), in.count, axis_of(a), out);
                                       });

}  // namespace

Var take(const Var& x, const Var& indices, int axis) { return apply(kTake, {&x, &indices}, AxisAttrs{axis}); }

Var argsort(const Var& x, int axis) { return apply(kArgsort, {&x}, AxisAttrs{axis}); }

Var concatenate(const Vars& inputs, int axis) {
  if (inputs.empty()) throw ShapeError("[concatenate] needs at least one array");
  DType dtype = inputs[0].dtype();
  for (const Var& x : inputs) dtype = promote(dtype, x.dtype());
  Vars same_dtype;
  for (const Var& x : inputs) same_dtype.push_back(to(x, dtype));
  return apply(kConcatenate, same_dtype.data(), static_cast<int>(same_dtype.size()), AxisAttrs{axis});
}

}  // namespace fallline
