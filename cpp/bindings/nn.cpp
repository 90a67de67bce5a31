// Softmax and losses.
#include "bindings/bind.h"

#include "nn/dropout.h"
#include "nn/losses.h"

namespace fallline {

void bind_nn(py::module_& m) {
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
