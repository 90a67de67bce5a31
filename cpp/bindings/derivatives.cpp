// Derivatives.
#include "bindings/bind.h"

#include "primitives/backward.h"

namespace fallline {
namespace {

// Cleared on exit, whatever happens in between.
struct NoGrad {
  std::vector<std::unique_ptr<NoRecord>> scopes;
};

}  // namespace

void bind_derivatives(py::module_& m) {
  m.def("start_record", [](const Var& x) {
    check_differentiable(x.dtype(), "grad");
    return start_record(x);
  });
  m.def("close_record", close_record);
  m.def("ones", [](const Var& x) { return dense_ones(x.shape(), x.dtype()); });
  m.def("detach", [](py::handle x) { return settle(detach(to_var(x))); });
  m.def("recording", recording);
  m.def("gradients", [](const Vars& outputs, const Vars& cotangents, const Vars& targets) {
    py::gil_scoped_release release;
    return or_zeros(gradients(outputs, cotangents, targets), targets);
  });
  m.def("scalar_gradients", [](const Var& value, const Vars& targets) {
    check_scalar(value);
    py::gil_scoped_release release;
    Vars found = or_zeros(gradients({value}, {dense_ones(value.shape(), value.dtype())}, targets), targets);
    return std::make_pair(close_record(value, targets), std::move(found));
  });
  m.def("backward", [](const Var& output, const Var& cotangent, bool record, bool retain) {
    py::gil_scoped_release release;
    backward(output, cotangent, record, retain);
  });
  py::class_<NoGrad>(m, "no_grad", "Within it nothing is recorded: a context manager.")
      .def(py::init<>())
      .def("__enter__", [](NoGrad& self) { self.scopes.push_back(std::make_unique<NoRecord>()); })
      .def("__exit__", [](NoGrad& self, py::args) { self.scopes.pop_back(); });
}

}  // namespace fallline
