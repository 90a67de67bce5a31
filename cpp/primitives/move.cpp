// The primitives that only move elements: views and copies.
#include "ops/move.h"

#include <cstring>

#include "primitives/batch.h"
#include "primitives/promotion.h"
#include "ops/plain.h"

namespace fallline {
namespace {

constexpr Primitive kCopy = primitive("copy",
                                      [](Inputs in, Attrs) {
                                        return Layout{in[0].dtype, in[0].shape, -1, 0, row_major(in[0].shape)};
                                      })
                                .vjp([](Pullback& p) { p.gin[0] = p.g; }, kReadsNone)
                                .batch(batch_elementwise)
                                .run([](Inputs in, const Array& out, Attrs) { cast(in[0], out); });

// ----- views: the output shares the input's memory -----

struct ShapeAttrs {
  Dims shape;
  FL_FIELDS(shape);
};
struct OrderAttrs {
  Dims axes;  // axis i of the output is axis axes[i] of the input
  FL_FIELDS(axes);
};

constexpr Primitive kReshape =
    primitive("reshape",
              [](Inputs in, Attrs a) {
                Layout out = view_of(in);
                out.shape = a.as<ShapeAttrs>().shape;
                if (!reshape_strides(in[0].shape, in[0].strides, out.shape, out.strides))
                  out.alias = -1, out.strides = row_major(out.shape);
                return out;
              })
        .vjp([](Pullback& p) { p.gin[0] = reshape(p.g, p.in_shape[0]); }, kReadsNone)
        .batch([](const BatchedCall& b) {
          return Vars{reshape(b[0], with_first(b.size, b.attrs.as<ShapeAttrs>().shape))};
        })
        .run([](Inputs in, const Array& out, Attrs) {  // only where no view shows the elements in this order
          Layout as_input = out.layout();
          as_input.shape = in[0].shape;
          as_input.strides = row_major(in[0].shape);
          cast(in[0], out.view(as_input));
        });

constexpr Primitive kPermute =
    primitive("transpose",
              [](Inputs in, Attrs a) {
                Layout out = view_of(in);
                const Dims& axes = a.as<OrderAttrs>().axes;
                for (int i = 0; i < axes.size(); ++i) {
                  out.shape[i] = in[0].shape[static_cast<int>(axes[i])];
                  out.strides[i] = in[0].strides[static_cast<int>(axes[i])];
                }
                return out;
              })
        .vjp(
            [](Pullback& p) {
              const Dims& axes = p.attrs.as<OrderAttrs>().axes;
              Dims back = axes;
              for (int i = 0; i < back.size(); ++i) back[static_cast<int>(axes[i])] = i;
              p.gin[0] = permute(p.g, back);
            },
            kReadsNone)
        .batch([](const BatchedCall& b) {
          return Vars{permute(b[0], with_first(0, after_first(b.attrs.as<OrderAttrs>().axes)))};
        });

constexpr Primitive kBroadcast = primitive("broadcast_to",
                                           [](Inputs in, Attrs a) {
                                             Layout out = view_of(in);
                                             out.shape = a.as<ShapeAttrs>().shape;
                                             out.strides = broadcast_strides(in[0].shape, in[0].strides, out.shape);
                                             return out;
                                           })
                                     .vjp([](Pullback& p) { p.gin[0] = p.g; }, kReadsNone)
                                     .batch([](const BatchedCall& b) {
                                       const Dims& to = b.attrs.as<ShapeAttrs>().shape;
                                       Dims shape = {b.size};
                                       const Dims one = shape_of(b, 0);
                                       for (int i = one.size(); i < to.size(); ++i) shape.push_back(1);
                                       for (int64_t n : one) shape.push_back(n);
                                       return Vars{broadcast_to(reshape(b[0], shape), with_first(b.size, to))};
                                     });

struct PartAttrs {  // of a slice
  Dims starts, lengths, steps;
  FL_FIELDS(starts, lengths, steps);
};
struct PlaceAttrs {  // of unslice: where in an array of this shape the first input lies, then the next
  Dims shape, starts, steps;
  FL_FIELDS(shape, starts, steps);
};

// Where in the result of unslice an input lies, and whether it lies there as it does in its own memory.
Layout place_of(const Array& part, const Array& out, Attrs attrs, int number = 0) {
  const PlaceAttrs& a = attrs.as<PlaceAttrs>();
  Layout place = out.layout();
  place.shape = part.shape;
  for (int i = 0; i < out.ndim(); ++i) {
    const int at = number * out.ndim() + i;
    place.offset += a.starts[at] * out.strides[i];
    place.strides[i] = a.steps[at] * out.strides[i];
  }
  return place;
}
bool lies_alike(const Array& part, const Layout& place) {
  return part.size() == 1 || (place.strides == part.strides && is_dense(part.shape, part.strides));
}

Layout infer_unslice(Inputs in, Attrs a) {
  const Dims& shape = a.as<PlaceAttrs>().shape;
  return {in[0].dtype, shape, -1, 0, row_major(shape)};
}

// Whether two sums of parts may be one.
bool join_places(Attrs first, Attrs last, OwnAttrs& both) {
  PlaceAttrs all = first.as<PlaceAttrs>();
  const PlaceAttrs& more = last.as<PlaceAttrs>();
  if (all.shape != more.shape || all.starts.size() + more.starts.size() > kMaxDims) return false;
  for (int64_t start : more.starts) all.starts.push_back(start);
  for (int64_t step : more.steps) all.steps.push_back(step);
  both = all;
  return true;
}

extern const Primitive kUnslices;
constexpr Primitive kUnslice =  // zeros with the input placed at `starts`, `steps` apart
    primitive("unslice", infer_unslice)
        .vjp(
            [](Pullback& p) {
              const PlaceAttrs& a = p.attrs.as<PlaceAttrs>();
              p.gin[0] = slice(p.g, a.starts, p.in_shape[0], a.steps);
            },
            kReadsNone)
        .batch([](const BatchedCall& b) {
          const PlaceAttrs& a = b.attrs.as<PlaceAttrs>();
          return Vars{apply(b.primitive, {b[0]},
                            PlaceAttrs{with_first(b.size, a.shape), with_first(0, a.starts), with_first(1, a.steps)})};
        })
        .run([](Inputs in, const Array& out, Attrs a) {
          fill_zero(out);
          cast(in[0], out.view(place_of(in[0], out, a)));
        })
        .prepared([](Inputs in, const Array& out, Attrs a) -> std::function<void()> {
          const Array& part = in[0];
          const Layout place = place_of(part, out, a);
          if (!lies_alike(part, place)) return nullptr;
          const int64_t offset = place.offset * static_cast<int64_t>(size_of(out.dtype));
          return [&part, &out, offset, bytes = static_cast<size_t>(part.bytes())] {
            fill_zero(out);
            std::memcpy(out.data + offset, part.data, bytes);
          };
        })
        .sums_to(kUnslices, join_places);

// Whether no element lies in all parts.
bool nowhere_common(Inputs parts, Attrs attrs) {
  const PlaceAttrs& a = attrs.as<PlaceAttrs>();
  for (int axis = 0; axis < parts[0].ndim(); ++axis) {
    int64_t first = 0, last = INT64_MAX;  // of what is common along this axis
    for (int i = 0; i < parts.count; ++i) {
      const int at = i * parts[0].ndim() + axis;
      const int64_t begin = a.starts[at], end = begin + (parts[i].shape[axis] - 1) * a.steps[at];
      if (parts[i].shape[axis] == 0) return true;
      first = std::max(first, std::min(begin, end));
      last = std::min(last, std::max(begin, end));
    }
    if (first > last) return true;
  }
  return false;
}

// out[place] += part, again and again.
std::function<void()> add_at(const Layout& place, const Array& part, const Array& out) {
  const auto kernel = elementwise_kernels().binary[static_cast<int>(BinaryOp::kAdd)][float_index(out.dtype)];
  const int64_t offset = place.offset * static_cast<int64_t>(size_of(out.dtype));
  if (part.size() == 1) {
    return [one = kernel.one, offset, &part, &out] {
      std::byte* const to = out.data + offset;
      one(to, to, part.data, to, to);
    };
  }
  if (lies_alike(part, place)) {
    return [kernel, offset, &part, &out] {
      const Operand in[] = {{out.data + offset, 1}, {part.data, 1}};
      kernel(in, out.data + offset, part.size());
    };
  }
  return [place, sum = Array::empty(part.shape, part.dtype), &part, &out] {
    const Array there = out.view(place);
    cast(there, sum);
    binary(BinaryOp::kAdd, sum, part, sum);
    cast(sum, there);
  };
}

// The additions one by one. Only where all parts meet is the result another: -0 + -0 is not 0 + -0 + -0.
std::function<void()> add_in_turn(Inputs in, const Array& out, Attrs a) {
  std::vector<std::pair<const Array*, Layout>> parts;
  for (int i = 0; i < in.count; ++i) parts.emplace_back(&in[i], place_of(in[i], out, a, i));
  return [parts, next = Array::empty(out.shape, out.dtype), &out] {
    for (size_t i = 0; i < parts.size(); ++i) {
      const Array& to = i ? next : out;
      fill_zero(to);
      cast(*parts[i].first, to.view(parts[i].second));
      if (i) binary(BinaryOp::kAdd, out, next, out);
    }
  };
}

constexpr Primitive kUnslices =  // the sum of several
    primitive("unslice", infer_unslice)
        .no_derivative()
        .only_in_plans()
        .prepared([](Inputs in, const Array& out, Attrs a) -> std::function<void()> {
          if (!nowhere_common(in, a)) return add_in_turn(in, out, a);
          std::vector<std::function<void()>> parts;
          for (int i = 0; i < in.count; ++i) parts.push_back(add_at(place_of(in[i], out, a, i), in[i], out));
          return [&out, parts = std::move(parts), bytes = static_cast<size_t>(out.bytes())] {
            std::memset(out.data, 0, bytes);
            for (const auto& add : parts) add();
          };
        })
        .sums_to(kUnslices, join_places);

constexpr Primitive kSlice =
    primitive("slice",
              [](Inputs in, Attrs a) {
                Layout out = view_of(in);
                const PartAttrs& part = a.as<PartAttrs>();
                out.shape = part.lengths;
                for (int i = 0; i < out.shape.size(); ++i) {
                  out.offset += out.shape[i] ? part.starts[i] * in[0].strides[i] : 0;
                  out.strides[i] = part.steps[i] * in[0].strides[i];
                }
                return out;
              })
        .vjp(
            [](Pullback& p) {
              const PartAttrs& part = p.attrs.as<PartAttrs>();
              p.gin[0] = apply(kUnslice, {&p.g}, PlaceAttrs{p.in_shape[0], part.starts, part.steps});
            },
            kReadsNone)
        .batch([](const BatchedCall& b) {
          const PartAttrs& a = b.attrs.as<PartAttrs>();
          return Vars{slice(b[0], with_first(0, a.starts), with_first(b.size, a.lengths), with_first(1, a.steps))};
        });

}  // namespace

Var copy(const Var& x) { return apply(kCopy, {&x}); }

Var reshape(const Var& x, const Dims& shape) {
  Dims to = shape;
  int64_t known = 1;
  int open = -1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open < 0)
      open = i;
    else
      known *= shape[i];
  }
  const int64_t n = x.array().size();
  if (open >= 0 && known > 0 && n % known == 0) to[open] = n / known;
  if (count(to) != n || (open >= 0 && to[open] < 0))
    throw ShapeError("[reshape] cannot show " + to_string(x.shape()) + " (" + std::to_string(n) + " elements) as " +
                     to_string(shape));
  if (to == x.shape()) return x;
  return apply(kReshape, {&x}, ShapeAttrs{to});
}

Var permute(const Var& x, const Dims& axes) { return apply(kPermute, {&x}, OrderAttrs{axes}); }

Var broadcast_to(const Var& x, const Dims& shape) {
  if (x.shape() == shape) return x;
  if (broadcast(x.shape(), shape, "broadcast_to") != shape)
    throw ShapeError("[broadcast_to] " + to_string(x.shape()) + " does not broadcast to " + to_string(shape));
  return apply(kBroadcast, {&x}, ShapeAttrs{shape});
}

Var slice(const Var& x, const Dims& starts, const Dims& lengths, const Dims& steps) {
  return apply(kSlice, {&x}, PartAttrs{starts, lengths, steps});
}

namespace {
Var filled(const Dims& shape, DType dtype, double value) {
  return broadcast_to(Var(Array::scalar(value, dtype)), shape);
}
}  // namespace
Var zeros(const Dims& shape, DType dtype) { return filled(shape, dtype, 0); }
Var ones(const Dims& shape, DType dtype) { return filled(shape, dtype, 1); }

}  // namespace fallline
