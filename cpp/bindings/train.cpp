// The native training loop.
#include "bindings/bind.h"

#include "bindings/stepper.h"
#include "train/loop.h"

namespace fallline {
namespace {

std::vector<Array> arrays(const Vars& vars) {
  std::vector<Array> out;
  for (const Var& x : vars) out.push_back(x.array());
  return out;
}

std::shared_ptr<BatchPlan> make_plan(std::shared_ptr<Plan> plan, const std::vector<std::pair<Var, int>>& sources,
                                     int key_input, int scalars, const Vars& buffers) {
  std::vector<Source> rows;
  for (const auto& [x, input] : sources) rows.push_back({x.array(), input});
  return std::make_shared<BatchPlan>(std::move(plan), std::move(rows), key_input, scalars, arrays(buffers));
}

Parameters make_parameters(const std::string& rule, const std::string& precision, const Vars& values,
                           const std::vector<Vars>& slots) {
  Parameters out{rule_index(rule), precision_of(precision), arrays(values), {}};
  for (const Vars& s : slots) out.slots.push_back(arrays(s));
  return out;
}

void run_once(BatchPlan& plan, RandomOrder* order, int64_t begin, uint64_t key, uint64_t step) {
  plan.forget();
  plan.run(order, begin, begin + plan.batch(), key, step);
}

// Of an Array or nothing.
Array memory_of(py::handle object) { return object.is_none() ? Array() : to_var(object).array(); }

std::vector<Array> memories_of(const py::sequence& objects) {
  std::vector<Array> out;
  for (py::handle object : objects) out.push_back(memory_of(object));
  return out;
}

// Scopes: (around, first stage, flag or None); stages: (scope, plan, inputs, outputs).
std::shared_ptr<Program> make_program(
    const std::vector<std::tuple<int, size_t, py::object>>& scopes,
    const std::vector<std::tuple<int, std::shared_ptr<Plan>, py::list, py::list>>& all, const Var& norm) {
  std::vector<Scope> made;
  for (const auto& [around, first, flag] : scopes) made.push_back({around, first, memory_of(flag), {}});
  std::vector<Stage> stages;
  for (const auto& [scope, plan, inputs, outputs] : all)
    stages.push_back({scope, plan, memories_of(inputs), memories_of(outputs)});
  return std::make_shared<Program>(std::move(made), std::move(stages), norm.array());
}

void bind_program(py::module_& m) {
  py::class_<Program, std::shared_ptr<Program>>(m, "Program")
      .def(py::init(&make_program))
      .def("start", [](Program& self, const py::list& turns,
                       const py::list& rows) { self.start(memories_of(turns), memories_of(rows)); })
      .def("times", &Program::times);
}

void bind_batch_plan(py::module_& m) {
  py::class_<BatchPlan, std::shared_ptr<BatchPlan>>(m, "BatchPlan")
      .def(py::init(&make_plan))
      .def_property_readonly("batch", &BatchPlan::batch)
      .def("run",
           [](BatchPlan& self, int64_t begin, uint64_t key, uint64_t step) {
             py::gil_scoped_release release;
             run_once(self, nullptr, begin, key, step);
           })
      .def("gather_and_run",
           [](BatchPlan& self, const std::shared_ptr<RandomOrder>& order, int64_t begin, uint64_t key, uint64_t step) {
             py::gil_scoped_release release;
             run_once(self, order.get(), begin, key, step);
           })
      .def("gradients",
           [](const BatchPlan& self) {
             Vars out;
             for (int i = 0; i < self.gradient_count(); ++i)
               out.push_back(copy(Var(Array(self.output(self.scalars() + i)))));
             return out;
           })
      .def("values",
           [](const BatchPlan& self) {
             std::vector<double> out;
             for (int i = 0; i < self.scalars(); ++i) out.push_back(self.scalar(i));
             return out;
           })
      .def_property_readonly("weightless", &BatchPlan::weightless)
      .def("write_buffers", &BatchPlan::write_buffers)
      .def("output", [](const BatchPlan& self, int i) { return copy(Var(Array(self.output(i)), nullptr)); })
      .def_property_readonly("plan", &BatchPlan::plan);
}

}  // namespace

void bind_train(py::module_& m) {
  py::class_<RandomOrder, std::shared_ptr<RandomOrder>>(m, "RandomOrder")
      .def(py::init([](uint64_t key, uint64_t counter, int64_t n) {
        return std::make_shared<RandomOrder>(key, counter, Array::empty({n}, DType::kInt64));
      }))
      .def_property_readonly("numbers", [](RandomOrder& self) {
        self.decide(self.order().size());
        return Var(Array(self.order()));
      });
  bind_batch_plan(m);
  bind_program(m);
  m.def("global_norm", [](const Vars& grads) { return global_norm(arrays(grads)); });
  py::class_<Parameters>(m, "Parameters").def(py::init(&make_parameters));
  py::enum_<Trainer::State>(m, "TrainerState")
      .value("running", Trainer::State::kRunning)
      .value("finished", Trainer::State::kFinished)
      .value("diverged", Trainer::State::kDiverged);
  py::class_<Trainer>(m, "Trainer")
      .def(py::init<std::shared_ptr<BatchPlan>, std::shared_ptr<BatchPlan>, const Parameters&>())
      .def(py::init<std::shared_ptr<BatchPlan>, std::shared_ptr<BatchPlan>, std::shared_ptr<Program>, bool>())
      .def("start",
           [](Trainer& self, int64_t samples, const std::shared_ptr<RandomOrder>& order, const Var& hypers, int64_t t,
              uint64_t key, double max_norm,
              const Var& record) { self.start(samples, order, hypers.array(), t, key, max_norm, record.array()); })
      .def("advance", &Trainer::advance, py::call_guard<py::gil_scoped_release>())
      .def_property_readonly("state", &Trainer::state)
      .def_property_readonly("done", &Trainer::done)
      .def_property_readonly("record", [](const Trainer& self) { return Var(self.record()); });
}

}  // namespace fallline
