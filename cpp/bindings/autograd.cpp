// Derivatives.
#include "bindings/bind.h"

namespace fallline {
namespace {

// Cleared on exit, whatever happens in between.
struct NoGrad {
  std::vector<std::unique_ptr<NoRecord>> scopes;
};

Vars filled_gradients(const Vars& outputs, const Vars& cotangents, const Vars& targets) {
  Vars found = gradients(outputs, cotangents, targets);
  for (size_t i = 0; i < found.size(); ++i)  // no path: zero
    if (!found[i]) found[i] = copy(zeros(targets[i].shape(), targets[i].dtype()));
  return found;
}

void check_scalar(const Var& value) {
  if (value.array().size() != 1)
    throw ShapeError("[grad] the function must return a scalar, got shape " + to_string(value.shape()) +
                     "; take the sum or mean");
  if (!is_float(value.dtype()))
    throw DTypeError(std::string("[grad] the function must return a float, got ") + name_of(value.dtype()));
}

Var ones_like(const Var& x) {
  const Var one = ones(x.shape(), x.dtype());
  return x.shape().empty() ? one : copy(one);
}

}  // namespace

void bind_autograd(py::module_& m) {
  m.def("start_record", [](const Var& x) {
    if (!is_float(x.dtype())) throw DTypeError(std::string("[grad] no derivatives by ") + name_of(x.dtype()));
    return start_record(x);
  });
  m.def("close_record", close_record);
  m.def("ones", ones_like);
  m.def("detach", [](py::handle x) { return settle(detach(to_var(x))); });
  m.def("recording", recording);
  m.def("gradients", [](const Vars& outputs, const Vars& cotangents, const Vars& targets) {
    py::gil_scoped_release release;
    return filled_gradients(outputs, cotangents, targets);
  });
  // The value without its past, and its gradients.
  m.def("scalar_gradients", [](const Var& value, const Vars& targets) {
    check_scalar(value);
    py::gil_scoped_release release;
    Vars found = filled_gradients({value}, {ones_like(value)}, targets);
    return std::make_pair(close_record(value, targets), std::move(found));
  });
  m.def("backward", [](const Var& output, const Var& cotangent, bool record) {
    py::gil_scoped_release release;
    backward(output, cotangent, record);
  });
  py::class_<NoGrad>(m, "no_grad", "Within it nothing is recorded: a context manager.")
      .def(py::init<>())
      .def("__enter__", [](NoGrad& self) { self.scopes.push_back(std::make_unique<NoRecord>()); })
      .def("__exit__", [](NoGrad& self, py::args) { self.scopes.pop_back(); });
}

}  // namespace fallline
