// Update rules by name, and the native step on arrays that Python has checked.
#include <algorithm>
#include <stdexcept>

#include "bindings/bind.h"

#include "bindings/stepper.h"
#include "optim/compressed.h"
#include "optim/planned.h"
#include "optim/taped.h"

namespace fallline {
namespace {

template <size_t kCount>
int find(const char* const (&names)[kCount], const std::string& name) {
  const auto found = std::find(names, names + kCount, name);
  if (found == names + kCount) throw std::invalid_argument("[optim] unknown name '" + name + "'");
  return static_cast<int>(found - names);
}

}  // namespace

Precision precision_of(const std::string& name) {
  static constexpr const char* kNames[] = {"full", "bfloat16", "float8"};
  return static_cast<Precision>(find(kNames, name));
}

namespace {

using FlatFloats = py::array_t<float, py::array::c_style>;

constexpr const char* kValues[] = {"signed", "nonnegative", "exact"};

Values values_of(const std::string& name) { return static_cast<Values>(find(kValues, name)); }

// The codes of x as compressed.h lays them out; `order` is the last byte.
py::array encode_state(const std::string& precision, const std::string& values, const py::array& x, uint32_t key,
                       uint8_t order) {
  const Precision how = precision_of(precision);
  py::array_t<uint8_t> slot(compressed_bytes(how, x.size()));
  const FlatFloats flat(x);
  encode(how, values_of(values), flat.data(), flat.size(), key, slot.mutable_data());
  slot.mutable_data()[slot.size() - 1] = order;
  return slot;
}

py::array decode_state(const std::string& precision, const std::string& values, const py::array& slot, int64_t n) {
  const Precision how = precision_of(precision);
  if (slot.size() != compressed_bytes(how, n)) {
    throw ShapeError("[optim] " + std::to_string(n) + " elements of state take " +
                     std::to_string(compressed_bytes(how, n)) + " bytes, got " + std::to_string(slot.size()));
  }
  py::array_t<float> out(n);
  decode(how, values_of(values), py::array_t<uint8_t, py::array::c_style>(slot).data(), n, out.mutable_data());
  return out;
}

py::tuple rule_info(const std::string& name) {
  static constexpr const char* kRanges[] = {"any", "nonnegative", "unit", "closed_unit", "flag", "running"};
  const Rule& found = rule(rule_index(name));
  py::dict slots, values;
  for (int i = 0; i < found.slot_count; ++i) {
    const Slot& slot = found.slots[i];
    slots[slot.name] = slot.starts_at;
    values[slot.name] = kValues[static_cast<int>(slot.values)];
  }
  py::list hypers;
  for (int i = 0; i < found.hyper_count; ++i) {
    const Hyper& h = found.hypers[i];
    hypers.append(py::make_tuple(h.name, h.value, kRanges[static_cast<int>(h.range)]));
  }
  return py::make_tuple(slots, hypers, values);
}

// The rows of hyper-parameters of steps t and on with the running numbers in them; the first row has those before step
// t. And the row after the last, of which only the running numbers count.
py::tuple advance_rule(const std::string& name, const py::array& given, int64_t t) {
  const py::array_t<double, py::array::c_style> rows(given);
  const Rule& found = rule(rule_index(name));
  const auto width = static_cast<size_t>(found.hyper_count);
  if (!found.advance || rows.ndim() != 2 || rows.shape(1) != found.hyper_count || !rows.shape(0)) {
    throw std::invalid_argument("[optim] '" + name + "' has no such rows of running numbers");
  }
  py::array_t<double> filled({rows.shape(0), rows.shape(1)});
  std::vector<double> next(rows.data(), rows.data() + width);
  for (py::ssize_t i = 0; i < rows.shape(0); ++i) {
    double* const row = filled.mutable_data(i, 0);
    std::copy_n(rows.data(i, 0), width, row);
    for (size_t j = 0; j < width; ++j) {
      if (found.hypers[j].range == Range::kRunning) row[j] = next[j];
    }
    next.assign(row, row + width);
    found.advance(next.data(), t + i);
  }
  return py::make_tuple(filled, py::array_t<double>(static_cast<py::ssize_t>(width), next.data()));
}

}  // namespace

namespace {

Vars vars_of(const py::sequence& objects) {
  Vars vars;
  for (py::handle object : objects) vars.push_back(to_var(object));
  return vars;
}

// The step as operations: on values that a tape or a graph records.
void bind_recorded_steps(py::module_& m) {
  m.def("taped_step", [](const std::string& name, const py::sequence& hypers, int64_t t, py::handle g, py::handle w,
                         const py::sequence& slots) {
    return taped_step(rule_index(name), vars_of(hypers), t, to_var(g), to_var(w), vars_of(slots));
  });
  m.def("planned_step", [](const std::string& name, const std::string& precision, py::handle hypers, py::handle t,
                           const py::sequence& gs, const py::sequence& ws, const py::sequence& slots) {
    return planned_step(rule_index(name), precision_of(precision), to_var(hypers), to_var(t), vars_of(gs), vars_of(ws),
                        vars_of(slots));
  });
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
  m.def("advance_rule", &advance_rule);
  m.def(
      "rule_step",
      [](const std::string& name, const py::list& ws, const py::list& gs, const py::list& slots, py::handle row,
         int64_t t, const std::string& precision) {
        Batch(precision_of(precision), ws, gs, slots).step(rule(rule_index(name)), row, t);
      },
      py::arg(), py::arg(), py::arg(), py::arg(), py::arg(), py::arg(), py::arg("precision") = "full");
  m.def("compressed_bytes",
        [](const std::string& precision, int64_t n) { return compressed_bytes(precision_of(precision), n); });
  m.def("encode_state", &encode_state);
  m.def("decode_state", &decode_state);
  bind_recorded_steps(m);
  // To be called after memory of arrays was written, so that a backward pass notices.
  m.def("written", [](const py::sequence& objects) {
    for (py::handle object : objects) {
      if (const Var* var = as_array(object)) var->array().buffer->bump();
    }
  });
  py::class_<Stepper>(m, "Stepper")
      .def(py::init([](const std::string& rule, const std::string& precision) {
        return std::make_unique<Stepper>(rule, precision_of(precision));
      }))
      .def("step", &Stepper::step)
      .def("remember", &Stepper::remember)
      .def("forget", &Stepper::forget);
}

}  // namespace fallline
