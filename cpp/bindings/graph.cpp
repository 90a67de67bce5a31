// What a traced graph shows of itself, and where calls come from.
#include "bindings/bind.h"

#include "plan/nested.h"
#include "record/source.h"

namespace fallline {
namespace {

py::list values_of(const Graph& graph) {
  py::list out;
  for (const Graph::Value& value : graph.values) {
    const bool constant = value.kind == Graph::Kind::kConstant;
    out.append(py::make_tuple(std::string(name_of(value.layout.dtype)), to_tuple(value.layout.shape),
                              constant ? py::cast(Var(value.constant)) : py::none()));
  }
  return out;
}

// Name, inputs, outputs, parameters; of a body its graph, its results and how often it runs.
py::list steps_of(const Graph& graph) {
  py::list out;
  for (const Graph::Step& step : graph.steps) {
    const LoopAttrs* const loop = loop_of(step);
    py::object inner = py::none();
    if (loop)
      inner = py::make_tuple(std::const_pointer_cast<Graph>(loop->body->graph), loop->body->outputs, loop->length);
    out.append(py::make_tuple(step.primitive->name, step.in, step.outs, loop ? std::string() : Attrs(step.attrs).text(),
                              inner, step.source ? py::cast(*step.source) : py::none()));
  }
  return out;
}

py::object* find_source = nullptr;  // never freed: calls may come late

CallSite ask_python() {
  const py::gil_scoped_acquire acquire;
  if (!find_source) return nullptr;
  const py::object found = (*find_source)();
  return found.is_none() ? nullptr : std::make_shared<const std::string>(py::cast<std::string>(found));
}

}  // namespace

void bind_graph(py::module_& m) {
  m.def("graph_values", values_of);
  m.def("graph_steps", steps_of);
  m.def("graph_inputs", [](const Graph& graph) { return graph.inputs; });
  m.def("is_checking", checking);
  m.def("set_checking", [](bool check, const py::object& find) {
    if (!find_source) find_source = new py::object();
    *find_source = find;
    set_finder(ask_python);
    set_checking(check);
  });
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const NonFiniteError& error) {
      PyErr_SetString(PyExc_FloatingPointError, error.what());
    }
  });
}

}  // namespace fallline
