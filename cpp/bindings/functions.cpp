// Reductions, products, and functions that move elements.
#include "bindings/bind.h"

#include "ops/move.h"
#include "ops/random.h"

namespace fallline {
namespace {

using Reduction = Var (*)(const Var&, const Dims&, bool);
template <Reduction f>
Var reduce_axes(py::handle object, py::handle axis, bool keepdims) {
  const Var x = to_var(object);
  const Dims axes = axis.is_none() ? all_axes(x) : normalize_axes(to_dims(axis), x.shape().size(), "reduce");
  return unlocked(x.array().size(), [&] { return f(x, axes, keepdims); });
}

using ArgReduction = Var (*)(const Var&, int, bool);
template <ArgReduction f>
Var reduce_axis(py::handle object, py::handle axis, bool keepdims) {
  Var x = to_var(object);
  const bool flat = axis.is_none();
  const Dims ones = Dims::filled(x.shape().size(), 1);
  if (flat) x = reshape(x, {-1});
  const int a = flat ? 0 : normalize_axis(py::cast<int64_t>(axis), x.shape().size(), "argmax");
  const Var out = unlocked(x.array().size(), [&] { return f(x, a, keepdims && !flat); });
  return keepdims && flat ? reshape(out, ones) : out;
}

// Negative indices count from the end; the values are checked, since a wrong one would read foreign memory.
Var take_checked(const Var& x, const Var& indices, int64_t axis) {
  const int a = normalize_axis(axis, x.shape().size(), "take");
  const int64_t length = x.shape()[a];
  if (is_float(indices.dtype()))
    throw DTypeError("[take] indices must be integers, got " + std::string(name_of(indices.dtype())));
  Var index = reshape(astype(detach(indices), DType::kInt64), {-1});
  if (!tracing()) {
    const Array flat = contiguous(index.array());
    bool negative = false;
    for (int64_t i = 0, n = flat.size(); i < n; ++i) negative |= flat.as<int64_t>()[i] < 0;
    if (negative) index = where(less(index, Var(0)), index + Var(Array::scalar(length, DType::kInt64)), index);
  }
  const Var out = take(x, index, a);
  Dims shape;
  for (int i = 0; i < x.shape().size(); ++i) {
    if (i != a)
      shape.push_back(x.shape()[i]);
    else
      for (int64_t n : indices.shape()) shape.push_back(n);
  }
  return reshape(out, shape);
}

Vars to_vars(py::handle objects) {
  Vars out;
  for (py::handle object : objects) out.push_back(to_var(object));
  return out;
}

}  // namespace

void bind_functions(py::module_& m) {
  m.def("sum", reduce_axes<sum>);
  m.def("mean", reduce_axes<mean>);
  m.def("max", reduce_axes<amax>);
  m.def("min", reduce_axes<amin>);
  m.def("logsumexp", reduce_axes<logsumexp>);
  m.def("argmax", reduce_axis<argmax>);
  m.def("argmin", reduce_axis<argmin>);
  m.def(
      "inner",
      [](py::handle left, py::handle right, int kept) {
        const Var x = to_var(left), y = to_var(right);
        return unlocked(x.array().size(), [&] { return inner(x, y, kept); });
      },
      py::arg(), py::arg(), py::arg("kept") = 0);
  m.def("matmul", [](py::handle left, py::handle right) {
    const Var x = to_var(left), y = to_var(right);
    return unlocked(x.array().size() * (y.shape().empty() ? 1 : y.shape().back()) / 16, [&] { return matmul(x, y); });
  });
  m.def("linear", [](py::handle object, py::handle w, py::handle b) {
    const Var x = to_var(object), weight = to_var(w), bias = b.is_none() ? Var() : to_var(b);
    return unlocked(x.array().size() * (weight.shape().empty() ? 1 : weight.shape()[0]) / 16,
                    [&] { return linear(x, weight, bias); });
  });
  m.def("where",
        [](py::handle c, py::handle x, py::handle y) { return settle(where(to_var(c), to_var(x), to_var(y))); });
  m.def("astype", [](py::handle x, py::handle dtype) { return settle(astype(to_var(x), to_dtype(dtype))); });
  m.def("copy", [](py::handle x) { return settle(copy(to_var(x))); });
  m.def("reshape", [](py::handle x, py::handle shape) { return settle(reshape(to_var(x), to_dims(shape))); });
  m.def("permute", [](py::handle x, py::handle axes) { return settle(permute(to_var(x), to_dims(axes))); });
  m.def("broadcast_to", [](py::handle x, py::handle shape) { return settle(broadcast_to(to_var(x), to_dims(shape))); });
  m.def("slice", [](const Var& x, py::handle starts, py::handle lengths, py::handle steps) {
    return slice(x, to_dims(starts), to_dims(lengths), to_dims(steps));
  });
  m.def("take", [](py::handle x, py::handle indices, int64_t axis) {
    return settle(take_checked(to_var(x), to_var(indices), axis));
  });
  m.def("argsort", [](py::handle object, int64_t axis) {
    const Var x = settle(to_var(object));
    const int a = normalize_axis(axis, x.shape().size(), "argsort");
    return unlocked(4 * x.array().size(), [&] { return argsort(x, a); });
  });
  m.def("concatenate", [](py::handle inputs, int64_t axis) {
    const Vars x = to_vars(inputs);
    return settle(concatenate(x, x.empty() ? 0 : normalize_axis(axis, x[0].shape().size(), "concatenate")));
  });
  using Draw = void (*)(uint64_t, uint64_t, const Array&);
  const auto draw = [](Draw f) {
    return [f](uint64_t key, uint64_t counter, py::handle shape, py::handle dtype) {
      const Array out = Array::empty(to_dims(shape), to_dtype(dtype));
      f(key, counter, out);
      return Var(out);
    };
  };
  m.def("random_uniform", draw(random_uniform));
  m.def("random_normal", draw(random_normal));
  m.def("random_bits", draw(random_bits));
  m.def("random_order", draw(random_order));
  m.def("derive_key", derive_key);
}

}  // namespace fallline
