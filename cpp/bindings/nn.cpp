// Softmax and losses.
#include "bindings/bind.h"

#include "nn/dropout.h"
#include "nn/losses.h"

namespace fallline {

void bind_nn(py::module_& m) {
  m.def("conv2d", [](py::handle object, py::handle w, py::handle b, py::handle stride, py::handle padding,
                     py::handle dilation, int64_t groups) {
    const Var x = to_var(object), weight = to_var(w), bias = b.is_none() ? Var() : to_var(b);
    const Dims s = to_dims(stride), p = to_dims(padding), d = to_dims(dilation);
    return unlocked(x.array().size() * 8, [&] { return conv2d(x, weight, bias, s, p, d, groups); });
  });
  using Pool = Var (*)(const Var&, const Dims&, const Dims&, const Dims&);
  const auto pool = [](Pool f) {
    return [f](py::handle object, py::handle size, py::handle stride, py::handle padding) {
      const Var x = to_var(object);
      const Dims n = to_dims(size), s = to_dims(stride), p = to_dims(padding);
      return unlocked(x.array().size(), [&] { return f(x, n, s, p); });
    };
  };
  m.def("max_pool2d", pool(max_pool2d));
  m.def("avg_pool2d", pool(avg_pool2d));
  m.def("dropout",
        [](const Var& x, const Var& key, double rate, int64_t stream) { return dropout(x, key, rate, stream); });
  m.def("softmax", [](py::handle object, int64_t axis) {
    const Var x = to_var(object);
    return unlocked(x.array().size(), [&] { return softmax(x, normalize_axis(axis, x.shape().size(), "softmax")); });
  });
  m.def("log_softmax", [](py::handle object, int64_t axis) {
    const Var x = to_var(object);
    return unlocked(x.array().size(),
                    [&] { return log_softmax(x, normalize_axis(axis, x.shape().size(), "log_softmax")); });
  });
  m.def("cross_entropy", [](const Var& x, const Var& labels) {
    return unlocked(x.array().size(), [&] { return cross_entropy(x, labels); });
  });
  m.def("soft_cross_entropy", [](const Var& x, const Var& t) {
    return unlocked(x.array().size(), [&] { return soft_cross_entropy(x, t); });
  });
}

}  // namespace fallline
