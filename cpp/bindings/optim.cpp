// Update rules by name, and the native step on arrays that Python has checked.
#include "bindings/bind.h"

#include "bindings/stepper.h"
#include "optim/taped.h"

namespace fallline {
namespace {

py::tuple rule_info(const std::string& name) {
  static constexpr const char* kRanges[] = {"any", "nonnegative", "unit", "closed_unit", "flag"};
  const Rule& found = rule(rule_index(name));
  py::dict slots;
  for (int i = 0; i < found.slot_count; ++i) slots[found.slots[i].name] = found.slots[i].starts_at;
  py::list hypers;
  for (int i = 0; i < found.hyper_count; ++i) {
    const Hyper& h = found.hypers[i];
    hypers.append(py::make_tuple(h.name, h.value, kRanges[static_cast<int>(h.range)]));
  }
  return py::make_tuple(slots, hypers);
}

}  // namespace

void bind_optim(py::module_& m) {
  m.def("rule_index", &rule_index);
  m.def("rule_names", [] {
    py::list names;
    for (int i = 0; i < rule_count(); ++i) names.append(rule(i).name);
    return names;
  });
  m.def("rule_info", &rule_info);
  m.def("rule_step", [](const std::string& name, const py::list& ws, const py::list& gs, const py::list& slots,
                        py::handle row, int64_t t) { Batch(ws, gs, slots).step(rule(rule_index(name)), row, t); });
  m.def("taped_step", [](const std::string& name, const py::sequence& hypers, int64_t t, py::handle g, py::handle w,
                         const py::sequence& slots) {
    Vars numbers, state;
    for (py::handle h : hypers) numbers.push_back(to_var(h));
    for (py::handle s : slots) state.push_back(to_var(s));
    return taped_step(rule_index(name), numbers, t, to_var(g), to_var(w), state);
  });
  // To be called after memory of arrays was written, so that a backward pass notices.
  m.def("written", [](const py::sequence& objects) {
    for (py::handle object : objects) {
      if (const Var* var = as_array(object)) var->array().buffer->bump();
    }
  });
  py::class_<Stepper>(m, "Stepper")
      .def(py::init<const std::string&>())
      .def("step", &Stepper::step)
      .def("remember", &Stepper::remember)
      .def("forget", &Stepper::forget);
}

}  // namespace fallline
