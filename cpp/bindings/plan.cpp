// Traced functions and their plans.
#include <algorithm>
#include <mutex>
#include <optional>

#include "bindings/bind.h"

#include "plan/cost.h"
#include "plan/loop.h"

namespace fallline {
namespace {

// Calls f with one placeholder per (shape, dtype, perhaps strides in elements) and returns its graph and the numbers of
// the arrays in the list that it returns.
std::pair<std::shared_ptr<Graph>, std::vector<int>> trace(const py::function& f, const py::list& specs) {
  auto graph = std::make_shared<Graph>();
  Tracing scope(graph.get());
  py::list inputs;
  for (py::handle spec : specs) {
    const auto given = py::cast<py::tuple>(spec);
    const Dims strides = given.size() > 2 ? to_dims(given[2]) : Dims();
    inputs.append(py::cast(graph->input(to_dims(given[0]), to_dtype(given[1]), strides)));
  }
  std::vector<int> outputs;
  for (py::handle out : f(*inputs)) outputs.push_back(graph->value_of(to_var(out)));
  return {graph, outputs};
}

// The key of a call: what its trace depends on, and the arrays in it. Plain containers of arrays and numbers only; of
// anything else `add` returns false.
class Signature {
 public:
  Signature(py::list key, py::list arrays) : key_(std::move(key)), arrays_(std::move(arrays)) {}

  bool add(PyObject* node) {
    if (const Var* x = as_array(node)) return add_array(node, x->shape(), x->dtype());
    if (py::isinstance<py::array>(node)) return add_numpy(py::reinterpret_borrow<py::array>(node));
    if (PyFloat_CheckExact(node) || PyLong_CheckExact(node) || PyBool_Check(node) || PyUnicode_CheckExact(node) ||
        node == Py_None) {
      push(reinterpret_cast<PyObject*>(Py_TYPE(node)));
      push(node);
      return true;
    }
    if (PyTuple_CheckExact(node)) return add_children(node, PyTuple_GET_SIZE(node), PyTuple_GetItem);
    if (PyList_CheckExact(node)) return add_children(node, PyList_GET_SIZE(node), PyList_GetItem);
    return PyDict_CheckExact(node) && add_dict(node);
  }

 private:
  void push(PyObject* object) {
    if (PyList_Append(key_.ptr(), object) != 0) throw py::error_already_set();
  }
  bool add_array(PyObject* node, const Dims& shape, DType dtype) {
    static const auto* const names = [] {  // never freed: they must outlive the interpreter's last calls
      auto* all = new std::vector<py::str>;
      for (int i = 0; i < kDTypes; ++i) all->emplace_back(name_of(static_cast<DType>(i)));
      return all;
    }();
    push(to_tuple(shape).ptr());
    push((*names)[static_cast<size_t>(dtype)].ptr());
    arrays_.append(py::handle(node));
    return true;
  }
  bool add_numpy(const py::array& array) {
    Dims shape;
    for (py::ssize_t i = 0; i < array.ndim(); ++i) shape.push_back(array.shape(i));
    try {
      return add_array(array.ptr(), shape, to_dtype(array.dtype()));
    } catch (const DTypeError&) {
      return false;
    }
  }
  template <class Item>
  bool add_children(PyObject* node, Py_ssize_t size, Item item) {
    push(reinterpret_cast<PyObject*>(Py_TYPE(node)));
    push(py::int_(size).ptr());
    for (Py_ssize_t i = 0; i < size; ++i)
      if (!add(item(node, i))) return false;
    return true;
  }
  bool add_dict(PyObject* node) {
    PyObject *name, *value;
    push(reinterpret_cast<PyObject*>(Py_TYPE(node)));
    for (Py_ssize_t at = 0; PyDict_Next(node, &at, &name, &value);) push(name);
    for (Py_ssize_t at = 0; PyDict_Next(node, &at, &name, &value);)
      if (!add(value)) return false;
    return true;
  }

  py::list key_, arrays_;
};

// Both lists stay as they are where the answer is no.
bool describe(py::handle node, const py::list& key, const py::list& arrays) {
  const auto keys = static_cast<Py_ssize_t>(key.size()), count = static_cast<Py_ssize_t>(arrays.size());
  if (Signature(key, arrays).add(node.ptr())) return true;
  PyList_SetSlice(key.ptr(), keys, PY_SSIZE_T_MAX, nullptr);
  PyList_SetSlice(arrays.ptr(), count, PY_SSIZE_T_MAX, nullptr);
  return false;
}

// `targets`: the arrays that some outputs, by their place, are meant for; those may be streamed. `tight`: outputs will
// be placed where no room is behind them.
std::shared_ptr<Plan> planned(const Graph& graph, const std::vector<int>& outputs,
                              const std::vector<std::pair<int, Var>>& targets, bool tight) {
  std::vector<Stream> streams;
  for (const auto& [output, target] : targets) streams.push_back({output, target.array().layout()});
  return std::make_shared<Plan>(graph, outputs, streams, true, 0, !tight);
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

// An input that the caller gives away, and its memory if nobody else holds it.
struct Gift {
  int input;
  ArrayObject* object;
  std::shared_ptr<Buffer> memory;

  void take_away() const {
    const Var& x = object->var;
    object->var = Var(Array::placeholder(x.shape(), x.dtype()));
  }
};

std::vector<Gift> gifts(const py::sequence& objects, const std::vector<int>& given) {
  std::vector<Gift> found;
  for (int i : given) {
    const py::object object = objects[static_cast<size_t>(i)];
    const Var* const x = as_array(object);
    if (!x || !x->array().buffer) continue;
    int uses = 0;
    for (py::handle other : objects) uses += other.is(object);
    const Array& a = x->array();
    const bool own = uses == 1 && x->alone() && !a.buffer->borrowed() && a.data == a.buffer->data() && a.row_major();
    found.push_back({i, reinterpret_cast<ArrayObject*>(object.ptr()), own ? a.buffer : nullptr});
  }
  return found;
}

// The memory in which output i will stay, if it is large: that of a gift, or new. Less is sooner copied than placed.
std::shared_ptr<Buffer> memory_of(const Plan& plan, int i, std::vector<Gift>& gifts) {
  constexpr int64_t kWorth = 4096;  // bytes
  if (plan.own_bytes(i) < kWorth) return nullptr;
  for (Gift& gift : gifts)
    if (gift.memory && plan.may_replace(i, gift.input)) return std::exchange(gift.memory, nullptr);
  return Buffer::allocate(static_cast<size_t>(plan.own_bytes(i)));
}

// Runs and appends the outputs. Large ones are written where they will stay; the others are copied out of the arena.
void run_into(Plan& plan, Vars& outputs, std::vector<Gift>& gifts) {
  struct Own {  // at the end, or where a step throws: nothing may point to what is freed then
    Plan& plan;
    std::vector<std::shared_ptr<Buffer>> memory;
    ~Own() {
      for (size_t i = 0; i < memory.size(); ++i)
        if (memory[i]) plan.place_output(static_cast<int>(i), nullptr);
    }
  } own{plan, {}};
  for (int i = 0; i < plan.output_count(); ++i) {
    own.memory.push_back(memory_of(plan, i, gifts));
    if (own.memory.back()) plan.place_output(i, own.memory.back()->data());
  }
  plan.run();
  for (int i = 0; i < plan.output_count(); ++i) {
    Array value = plan.output(i);
    value.buffer = own.memory[static_cast<size_t>(i)];
    const bool stays = value.buffer != nullptr;
    const Var out(std::move(value), nullptr);
    outputs.push_back(stays ? out : copy(out));
  }
}

// Binds the inputs, runs, and returns copies of the outputs; nothing where an input is recorded. Arrays at the places
// `given` have no memory afterwards. Work of more than a few microseconds leaves the interpreter to other threads.
std::optional<Vars> call(Plan& plan, const py::sequence& objects, const std::vector<int>& given) {
  std::vector<Gift> spare = gifts(objects, given);
  const Vars inputs = to_vars(objects);
  for (const Var& x : inputs)
    if (x.tracked()) return std::nullopt;
  const std::vector<Array> arrays = held(plan, inputs);
  for (const Gift& gift : spare) gift.take_away();
  Vars outputs;
  const auto run = [&] {
    for (size_t i = 0; i < arrays.size(); ++i) plan.bind(static_cast<int>(i), arrays[i].data);
    run_into(plan, outputs, spare);
  };
  std::unique_lock<std::mutex> lock(plan.mutex(), std::try_to_lock);
  if (lock.owns_lock() && plan.arena_bytes() < 16384 && !plan.has_loops()) {
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

// Calls f with one placeholder per (shape, dtype); see trace_nested. Returns the body and what it took from outside.
std::pair<std::shared_ptr<Nested>, Vars> trace_body(const py::function& f, const py::list& specs, int carries, int rows,
                                                    bool once, bool recorded) {
  std::vector<Spec> wanted;
  for (py::handle spec : specs) {
    const auto pair = py::cast<py::tuple>(spec);
    wanted.push_back({to_dims(pair[0]), to_dtype(pair[1])});
  }
  const auto body = trace_nested([&](const Vars& inputs) { return to_vars(f(*py::cast(inputs))); }, wanted, recorded);
  body->carries = carries;
  body->rows = rows;
  body->once = once;
  return {body, body->graph->closed};
}

Vars call_body(const std::shared_ptr<Nested>& body, const py::sequence& objects, int64_t length) {
  const Vars inputs = to_vars(objects);
  if (tracing()) return call_nested(body, inputs, length);
  py::gil_scoped_release release;
  return call_nested(body, inputs, length);
}

// The results for `size` examples, where `batched` inputs have one for each along the first axis; and which results do.
std::pair<Vars, std::vector<bool>> call_batched(const std::shared_ptr<Nested>& body, const py::sequence& objects,
                                                const std::vector<bool>& batched, int64_t size) {
  std::vector<Example> in;
  for (const Var& x : to_vars(objects)) in.push_back({x, batched[in.size()]});
  std::optional<py::gil_scoped_release> release;
  if (!tracing()) release.emplace();
  std::pair<Vars, std::vector<bool>> out;
  for (Example& y : replay(*body, in, size)) {
    out.first.push_back(std::move(y.value));
    out.second.push_back(y.batched);
  }
  return out;
}

// A Python function as a derivative. It may be asked, and let go, by threads that do not hold the interpreter.
Pull to_pull(const py::function& f) {
  const std::shared_ptr<py::function> held(new py::function(f), [](py::function* last) {
    if (!Py_IsInitialized()) return;
    const py::gil_scoped_acquire acquire;
    delete last;
  });
  return [held](const Vars& in, const Vars& left, const Vars& gs) {
    const py::gil_scoped_acquire acquire;
    const auto given = [](const Vars& all) {
      py::list out;
      for (const Var& x : all) out.append(x ? py::cast(x) : py::none());
      return out;
    };
    Vars out;
    for (py::handle g : (*held)(given(in), given(left), given(gs))) out.push_back(g.is_none() ? Var() : to_var(g));
    return out;
  };
}

// Whether a derivative of the body that is being traced will pass through one of them.
bool outlives_trace(const py::sequence& objects) {
  const Graph* const graph = tracing();
  const Vars all = to_vars(objects);
  return graph && graph->body() &&
         std::any_of(all.begin(), all.end(), [&](const Var& x) { return graph->is_recorded(x); });
}

void look_at_signals() {
  const py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace

void bind_plan(py::module_& m) {
  py::class_<Graph, std::shared_ptr<Graph>>(m, "Graph")
      // An input that no step reads need not be bound.
      .def("forget_input",
           [](Graph& graph, size_t i) { graph.inputs.erase(graph.inputs.begin() + static_cast<std::ptrdiff_t>(i)); });
  py::class_<Plan, std::shared_ptr<Plan>>(m, "Plan")
      .def(py::init(&planned), py::arg("graph"), py::arg("outputs"),
           py::arg("targets") = std::vector<std::pair<int, Var>>(), py::arg("tight") = false)
      .def("call", call, py::arg("inputs"), py::arg("given") = std::vector<int>())
      .def("profile", profile)
      .def_property_readonly("arena_bytes", &Plan::arena_bytes)
      .def_property_readonly("steps", &Plan::step_count)
      .def_property_readonly("taken_away", &Plan::taken_away)
      .def("__str__", &Plan::describe);
  m.def("trace", trace);
  m.def("describe", describe);
  py::class_<Nested, std::shared_ptr<Nested>>(m, "Body");
  m.def("trace_body", trace_body);
  m.def("call_body", call_body);
  m.def("call_batched", call_batched);
  m.def("outlives_trace", outlives_trace);
  m.def("call_custom", [](const std::shared_ptr<Nested>& body, const py::sequence& in, int64_t results,
                          const py::function& pull) { return call_custom(body, to_vars(in), results, to_pull(pull)); });
  m.def("remember_custom",
        [](const py::sequence& in, const py::sequence& outs, int64_t results, const py::function& pull) {
          return remember_custom(to_vars(in), to_vars(outs), results, to_pull(pull));
        });
  set_watch(look_at_signals);
  m.def("plan_counts", [] { return std::make_pair(Plan::counts().built, Plan::counts().run); });
  m.def("is_recording", &recording);
  m.def("check_readable", &check_readable);
  // Of what is being traced: its steps so far, and the multiplications with additions of those from `begin` on.
  m.def("traced_work", [](size_t begin) {
    const Graph* const graph = tracing();
    if (graph == nullptr) throw TraceError("[traced_work] nothing is being traced");
    return std::make_pair(graph->steps.size(), multiply_adds(*graph, begin));
  });
  m.def("is_tracing", [] { return tracing() != nullptr; });
}

}  // namespace fallline
