// The primitives that only move elements: views, copies, gathers and joins.
#include "ops/move.h"

#include <cstring>

#include "primitives/merged.h"
#include "primitives/promotion.h"
#include "ops/plain.h"

namespace fallline {
namespace {

constexpr Primitive kCopy = primitive("copy",
                                      [](Inputs in, const Attrs&) {
                                        return Layout{in[0].dtype, in[0].shape, -1, 0, row_major(in[0].shape)};
                                      })
                                .vjp([](Pullback& p) { p.gin[0] = p.g; }, kReadsNone)
                                .run([](Inputs in, const Array& out, const Attrs&) { cast(in[0], out); });

// ----- views: the output shares the input's memory -----

constexpr Primitive kReshape =  // dims: the new shape
    primitive("reshape",
              [](Inputs in, const Attrs& a) {
                Layout out = view_of(in);
                out.shape = a.dims;
                if (!reshape_strides(in[0].shape, in[0].strides, a.dims, out.strides))
                  out.alias = -1, out.strides = row_major(a.dims);
                return out;
              })
        .vjp([](Pullback& p) { p.gin[0] = reshape(p.g, p.in_shape[0]); }, kReadsNone)
        .run([](Inputs in, const Array& out, const Attrs&) {  // only where no view shows the elements in this order
          Layout as_input = out.layout();
          as_input.shape = in[0].shape;
          as_input.strides = row_major(in[0].shape);
          cast(in[0], out.view(as_input));
        });

constexpr Primitive kPermute =  // dims: axis i of the output is axis dims[i] of the input
    primitive("transpose",
              [](Inputs in, const Attrs& a) {
                Layout out = view_of(in);
                for (int i = 0; i < a.dims.size(); ++i) {
                  out.shape[i] = in[0].shape[static_cast<int>(a.dims[i])];
                  out.strides[i] = in[0].strides[static_cast<int>(a.dims[i])];
                }
                return out;
              })
        .vjp(
            [](Pullback& p) {
              Dims back = p.attrs.dims;
              for (int i = 0; i < back.size(); ++i) back[static_cast<int>(p.attrs.dims[i])] = i;
              p.gin[0] = permute(p.g, back);
            },
            kReadsNone);

constexpr Primitive kBroadcast =  // dims: the new shape
    primitive("broadcast_to", [](Inputs in, const Attrs& a) {
      Layout out = view_of(in);
      out.shape = a.dims;
      out.strides = broadcast_strides(in[0].shape, in[0].strides, a.dims);
      return out;
    }).vjp([](Pullback& p) { p.gin[0] = p.g; }, kReadsNone);

// Where in the result of unslice an input lies, and whether it lies there as it does in its own memory.
Layout place_of(const Array& part, const Array& out, const Attrs& a, int number = 0) {
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

constexpr Primitive kUnslice =  // zeros of shape `dims` with the input placed at `starts`, `steps` apart
    primitive("unslice",
              [](Inputs in, const Attrs& a) {
                return Layout{in[0].dtype, a.dims, -1, 0, row_major(a.dims)};
              })
        .vjp([](Pullback& p) { p.gin[0] = slice(p.g, p.attrs.starts, p.in_shape[0], p.attrs.steps); }, kReadsNone)
        .run([](Inputs in, const Array& out, const Attrs& a) {
          fill_zero(out);
          cast(in[0], out.view(place_of(in[0], out, a)));
        })
        .prepared([](Inputs in, const Array& out, const Attrs& a) -> std::function<void()> {
          const Array& part = in[0];
          const Layout place = place_of(part, out, a);
          if (!lies_alike(part, place)) return nullptr;
          const int64_t offset = place.offset * static_cast<int64_t>(size_of(out.dtype));
          return [&part, &out, offset, bytes = static_cast<size_t>(part.bytes())] {
            fill_zero(out);
            std::memcpy(out.data + offset, part.data, bytes);
          };
        });

// Whether no element lies in all parts.
bool nowhere_common(Inputs parts, const Attrs& a) {
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
std::function<void()> add_in_turn(Inputs in, const Array& out, const Attrs& a) {
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

constexpr Primitive kUnslices =  // the sum of several: `starts` and `steps` of the first input, then of the next
    primitive("unslice", kUnslice.shape)
        .no_derivative()
        .prepared([](Inputs in, const Array& out, const Attrs& a) -> std::function<void()> {
          if (!nowhere_common(in, a)) return add_in_turn(in, out, a);
          std::vector<std::function<void()>> parts;
          for (int i = 0; i < in.count; ++i) parts.push_back(add_at(place_of(in[i], out, a, i), in[i], out));
          return [&out, parts = std::move(parts), bytes = static_cast<size_t>(out.bytes())] {
            std::memset(out.data, 0, bytes);
            for (const auto& add : parts) add();
          };
        });

constexpr Primitive kSlice =  // starts, steps, and dims: lengths
    primitive("slice",
              [](Inputs in, const Attrs& a) {
                Layout out = view_of(in);
                out.shape = a.dims;
                for (int i = 0; i < a.dims.size(); ++i) {
                  out.offset += a.dims[i] ? a.starts[i] * in[0].strides[i] : 0;
                  out.strides[i] = a.steps[i] * in[0].strides[i];
                }
                return out;
              })
        .vjp(
            [](Pullback& p) {
              Attrs attrs = p.attrs;
              attrs.dims = p.in_shape[0];
              p.gin[0] = apply(kUnslice, {&p.g}, attrs);
            },
            kReadsNone);

// ----- gather, scatter, join: integer = axis -----

Layout gathered(const Dims& shape, DType dtype, int64_t axis, int64_t length) {
  Layout out{dtype, shape, -1, 0, {}};
  out.shape[static_cast<int>(axis)] = length;
  return out;
}

extern const Primitive kScatterAdd;
constexpr Primitive kTake =
    primitive("take",
              [](Inputs in, const Attrs& a) { return gathered(in[0].shape, in[0].dtype, a.integer, in[1].shape[0]); })
        .vjp(
            [](Pullback& p) {
              if (!p.wants(0)) return;
              Attrs attrs = p.attrs;
              attrs.dims = {p.in_shape[0][static_cast<int>(p.attrs.integer)]};
              p.gin[0] = apply(kScatterAdd, {&p.g, &p.in[1]}, attrs);
            },
            kReadsB)
        .run([](Inputs in, const Array& out, const Attrs& a) {
          check_indices(in[1], in[0].shape[static_cast<int>(a.integer)], "take");
          take(in[0], in[1], static_cast<int>(a.integer), out);
        });
constexpr Primitive kScatterAdd =  // dims: {the length of the axis}
    primitive("scatter_add",
              [](Inputs in, const Attrs& a) { return gathered(in[0].shape, in[0].dtype, a.integer, a.dims[0]); })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kTake, {&p.g, &p.in[1]}, p.attrs);
            },
            kReadsB)
        .run([](Inputs in, const Array& out, const Attrs& a) {
          scatter_add(in[0], in[1], static_cast<int>(a.integer), out);
        });

Layout joined(Inputs in, const Attrs& a) {
  const int axis = static_cast<int>(a.integer);
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
  const int axis = static_cast<int>(p.attrs.integer);
  const int n = p.g.shape().size();
  Dims starts = Dims::filled(n, 0);
  const int64_t total = p.g.shape()[axis];
  for (int i = 0; starts[axis] < total; ++i) {
    const Dims& part = p.in_shape[i];
    if (i > 31 || p.wants(i)) p.gin[i] = slice(p.g, starts, part, Dims::filled(n, 1));
    starts[axis] += part[axis];
  }
}

constexpr Primitive kConcatenate =
    primitive("concatenate", joined).vjp(pull_joined, kReadsNone).run([](Inputs in, const Array& out, const Attrs& a) {
      std::vector<Array> parts;
      for (int i = 0; i < in.count; ++i) parts.push_back(in[i]);
      concatenate(parts.data(), in.count, static_cast<int>(a.integer), out);
    });

}  // namespace

Var copy(const Var& x) { return apply(kCopy, {&x}); }

Var reshape(const Var& x, const Dims& shape) {
  Attrs attrs;
  attrs.dims = shape;
  int64_t known = 1;
  int open = -1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open < 0)
      open = i;
    else
      known *= shape[i];
  }
  const int64_t n = x.array().size();
  if (open >= 0 && known > 0 && n % known == 0) attrs.dims[open] = n / known;
  if (count(attrs.dims) != n || (open >= 0 && attrs.dims[open] < 0))
    throw ShapeError("[reshape] cannot show " + to_string(x.shape()) + " (" + std::to_string(n) + " elements) as " +
                     to_string(shape));
  if (attrs.dims == x.shape()) return x;
  return apply(kReshape, {&x}, attrs);
}

Var permute(const Var& x, const Dims& axes) {
  Attrs attrs;
  attrs.dims = axes;
  return apply(kPermute, {&x}, attrs);
}

Var broadcast_to(const Var& x, const Dims& shape) {
  if (x.shape() == shape) return x;
  if (broadcast(x.shape(), shape, "broadcast_to") != shape)
    throw ShapeError("[broadcast_to] " + to_string(x.shape()) + " does not broadcast to " + to_string(shape));
  Attrs attrs;
  attrs.dims = shape;
  return apply(kBroadcast, {&x}, attrs);
}

const Primitive& unslices_primitive() { return kUnslices; }

Var slice(const Var& x, const Dims& starts, const Dims& lengths, const Dims& steps) {
  Attrs attrs;
  attrs.dims = lengths;
  attrs.starts = starts;
  attrs.steps = steps;
  return apply(kSlice, {&x}, attrs);
}

Var take(const Var& x, const Var& indices, int axis) {
  Attrs attrs;
  attrs.integer = axis;
  return apply(kTake, {&x, &indices}, attrs);
}

Var concatenate(const Vars& inputs, int axis) {
  if (inputs.empty()) throw ShapeError("[concatenate] needs at least one array");
  DType dtype = inputs[0].dtype();
  for (const Var& x : inputs) dtype = promote(dtype, x.dtype());
  Vars same_dtype;
  for (const Var& x : inputs) same_dtype.push_back(to(x, dtype));
  Attrs attrs;
  attrs.integer = axis;
  return apply(kConcatenate, same_dtype.data(), static_cast<int>(same_dtype.size()), attrs);
}

namespace {
Var filled(const Dims& shape, DType dtype, double value) {
  return broadcast_to(Var(Array::scalar(value, dtype)), shape);
}
}  // namespace
Var zeros(const Dims& shape, DType dtype) { return filled(shape, dtype, 0); }
Var ones(const Dims& shape, DType dtype) { return filled(shape, dtype, 1); }

}  // namespace fallline
