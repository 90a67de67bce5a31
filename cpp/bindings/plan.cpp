// Traced functions and their plans.
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>

#include "bindings/bind.h"

#include "autograd/plan.h"
#include "ops/move.h"

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

// `targets`: the arrays that some outputs, by their place, are meant for; those may be streamed.
std::shared_ptr<Plan> make_plan(const Graph& graph, const std::vector<int>& outputs,
                                const std::vector<std::pair<int, Var>>& targets) {
  std::vector<Stream> streams;
  for (const auto& [output, target] : targets) streams.push_back({output, target.array().layout()});
  return std::make_shared<Plan>(graph, outputs, streams);
}

Vars to_vars(const py::sequence& objects) {
  Vars out;
  for (py::handle object : objects) out.push_back(to_var(object));
  return out;
}

// The inputs as a plan reads them: dense, row by row.
std::vector<Array> held(const Plan& plan, const Vars& inputs) {
  std::vector<Array> out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Array& wanted = plan.input(static_cast<int>(i));
    const Array& given = inputs[i].array();
    check_readable(inputs[i], "jit");
    if (given.dtype != wanted.dtype || given.shape != wanted.shape) {
      throw ShapeError("[jit] input " + std::to_string(i) + " is " + name_of(given.dtype) + to_string(given.shape) +
                       ", the plan was made for " + name_of(wanted.dtype) + to_string(wanted.shape));
    }
    out.push_back(given.row_major() ? given : copy(detach(inputs[i])).array());
  }
  return out;
}

// Binds the inputs, runs, and returns copies of the outputs; nothing where an input is recorded. Work of more than a
// few microseconds leaves the interpreter to other threads.
std::optional<Vars> call(Plan& plan, const py::sequence& objects) {
  const Vars inputs = to_vars(objects);
  for (const Var& x : inputs)
    if (x.tracked()) return std::nullopt;
  const std::vector<Array> arrays = held(plan, inputs);
  Vars outputs;
  const auto run = [&] {
    for (size_t i = 0; i < arrays.size(); ++i) plan.bind(static_cast<int>(i), arrays[i].data);
    plan.run();
    for (int i = 0; i < plan.output_count(); ++i) outputs.push_back(copy(Var(Array(plan.output(i)), nullptr)));
  };
  std::unique_lock<std::mutex> lock(plan.mutex(), std::try_to_lock);
  if (lock.owns_lock() && plan.arena_bytes() < 16384) {
    run();
    return outputs;
  }
  py::gil_scoped_release release;
  if (!lock.owns_lock()) lock.lock();
  run();
  return outputs;
}

std::vector<std::pair<std::string, double>> profile(Plan& plan, const py::sequence& objects, int runs) {
  const Vars inputs = to_vars(objects);
  const std::vector<Array> arrays = held(plan, inputs);
  py::gil_scoped_release release;
  const std::lock_guard<std::mutex> lock(plan.mutex());
  for (size_t i = 0; i < arrays.size(); ++i) plan.bind(static_cast<int>(i), arrays[i].data);
  plan.run();
  const std::vector<double> seconds = plan.profile(runs);
  std::vector<std::pair<std::string, double>> out;
  for (int i = 0; i < plan.step_count(); ++i) out.emplace_back(plan.describe_step(i), seconds[static_cast<size_t>(i)]);
  return out;
}

std::byte* row_of(const Array& rows, int64_t i) {
  return rows.data + i * (rows.shape[0] ? rows.bytes() / rows.shape[0] : 0);
}

// After a run: the carry for the next one, and a row of what is gathered. All outputs are read before any input is
// written, for an output may be a view of one.
void gather(const Plan& plan, const std::vector<Array>& state, const std::vector<Array>& next,
            const std::vector<Array>& gathered, int64_t step) {
  const size_t carries = state.size();
  for (size_t i = 0; i < carries; ++i) cast(plan.output(static_cast<int>(i)), next[i]);
  for (size_t i = 0; i < gathered.size(); ++i) {
    const Array& value = plan.output(static_cast<int>(carries + i));
    Array row = value;
    row.strides = row_major(row.shape);
    row.buffer = gathered[i].buffer;
    row.data = row_of(gathered[i], step);
    cast(value, row);
  }
  for (size_t i = 0; i < carries; ++i) std::memcpy(state[i].data, next[i].data, static_cast<size_t>(state[i].bytes()));
}

// Runs the plan `length` times: the first `carries` outputs become the first inputs of the next run, the other inputs
// are rows of `xs`, the other outputs are gathered as rows. Returns the last carry and the gathered rows.
Vars scan(Plan& plan, const py::sequence& carry, const py::sequence& xs, int64_t length) {
  std::vector<Array> state, next, rows, gathered;
  for (const Var& x : to_vars(carry)) {
    state.push_back(copy(detach(x)).array());
    next.push_back(Array::empty(x.shape(), x.dtype()));
  }
  for (const Var& x : to_vars(xs)) rows.push_back(x.array().row_major() ? x.array() : copy(detach(x)).array());
  const size_t carries = state.size();
  for (int i = static_cast<int>(carries); i < plan.output_count(); ++i) {
    Dims shape = {length};
    for (int64_t n : plan.output(i).shape) shape.push_back(n);
    gathered.push_back(Array::empty(shape, plan.output(i).dtype));
  }
  py::gil_scoped_release release;
  const std::lock_guard<std::mutex> lock(plan.mutex());
  auto looked = std::chrono::steady_clock::now();
  for (size_t i = 0; i < carries; ++i) plan.bind(static_cast<int>(i), state[i].data);
  for (int64_t step = 0; step < length; ++step) {
    for (size_t i = 0; i < rows.size(); ++i) plan.bind(static_cast<int>(carries + i), row_of(rows[i], step));
    plan.run();
    gather(plan, state, next, gathered, step);
    if (step % 256 == 255 && std::chrono::steady_clock::now() - looked > std::chrono::milliseconds(100)) {
      py::gil_scoped_acquire acquire;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
      looked = std::chrono::steady_clock::now();
    }
  }
  Vars out;
  for (const auto* arrays : {&state, &gathered}) {
    for (const Array& array : *arrays) out.push_back(Var(array));
  }
  return out;
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<Graph, std::shared_ptr<Graph>>(m, "Graph")
      // An input that no step reads need not be bound.
      .def("forget_input",
           [](Graph& graph, size_t i) { graph.inputs.erase(graph.inputs.begin() + static_cast<std::ptrdiff_t>(i)); });
  py::class_<Plan, std::shared_ptr<Plan>>(m, "Plan")
      .def(py::init(&make_plan), py::arg("graph"), py::arg("outputs"),
           py::arg("targets") = std::vector<std::pair<int, Var>>())
      .def("call", call)
      .def("profile", profile)
      .def("scan", scan)
      .def_property_readonly("arena_bytes", &Plan::arena_bytes)
      .def_property_readonly("steps", &Plan::step_count)
      .def("__str__", &Plan::describe);
  m.def("trace", trace);
  m.def("plan_counts", [] { return std::make_pair(Plan::counts().built, Plan::counts().run); });
  m.def("is_recording", &recording);
  m.def("is_tracing", [] { return tracing() != nullptr; });
}

}  // namespace fallline
