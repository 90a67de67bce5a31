// Traced functions and their plans.
#include "bindings/bind.h"

#include "autograd/plan.h"

namespace fallline {
namespace {

// Calls f with one placeholder per (shape, dtype) and returns its graph and the numbers of the arrays in the list that
// it returns.
std::pair<std::shared_ptr<Graph>, std::vector<int>> trace(const py::function& f, const py::list& specs) {
  auto graph = std::make_shared<Graph>();
  Tracing scope(graph.get());
  py::list inputs;
  for (py::handle spec : specs) {
    const auto pair = py::cast<py::tuple>(spec);
    inputs.append(py::cast(graph->input(to_dims(pair[0]), to_dtype(pair[1]))));
  }
  std::vector<int> outputs;
  for (py::handle out : f(*inputs)) outputs.push_back(graph->value_of(to_var(out)));
  return {graph, outputs};
}

// Binds the inputs, runs, and returns copies of the outputs.
Vars call(Plan& plan, const Vars& inputs) {
  std::vector<Array> held;
  for (size_t i = 0; i < inputs.size(); ++i) {
    held.push_back(copy(detach(inputs[i])).array());
    plan.bind(static_cast<int>(i), held.back().data);
  }
  {
    py::gil_scoped_release release;
    plan.run();
  }
  Vars outputs;
  for (int i = 0; i < plan.output_count(); ++i) outputs.push_back(copy(Var(Array(plan.output(i)), nullptr)));
  return outputs;
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<Graph, std::shared_ptr<Graph>>(m, "Graph");
  py::class_<Plan, std::shared_ptr<Plan>>(m, "Plan")
      .def(py::init<const Graph&, const std::vector<int>&>())
      .def("call", call)
      .def_property_readonly("arena_bytes", &Plan::arena_bytes)
      .def_property_readonly("steps", &Plan::step_count)
      .def("__str__", &Plan::describe);
  m.def("trace", trace);
  m.def("is_tracing", [] { return tracing() != nullptr; });
}

}  // namespace fallline
