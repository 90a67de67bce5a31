// Schedules: the table of them, and the values of a tree that Python wrote as an array of numbers.
#include "optim/schedule.h"

#include "bindings/bind.h"

namespace fallline {
namespace {

using namespace schedules;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;

double call_python(void* functions, int which, double x) {
  const py::sequence& all = *static_cast<const py::sequence*>(functions);
  return all[static_cast<size_t>(which)](static_cast<int64_t>(x)).cast<double>();
}

// `clock` holds rows of three, `every` is how many batches make an update.
Setting setting_of(const Doubles& clock, double every, double end, const py::sequence& functions) {
  const int rows = static_cast<int>(clock.size() / 3);
  return {{clock.data(), rows, every}, end, &call_python, const_cast<py::sequence*>(&functions)};
}

py::tuple schedule_table() {
  static constexpr const char* kKinds[] = {"number", "share", "growth", "length", "duration", "choice"};
  py::list rows;
  for (int i = 0; i < schedule_count(); ++i) {
    const Schedule& row = schedule(i);
    py::list numbers;
    for (int k = 0; k < row.number_count; ++k) {
      const Number& n = row.numbers[k];
      numbers.append(py::make_tuple(n.name, n.value, kKinds[n.kind], n.open, n.words));
    }
    rows.append(py::make_tuple(row.name, numbers, row.marks, row.parts));
  }
  return py::tuple(rows);
}

}  // namespace

void bind_schedules(py::module_& m) {
  // (name, [(number, default or NaN, kind, may stay open, words)], name of its marks, name of its parts) of each
  m.def("schedule_table", &schedule_table);
  m.def("schedule_values",
        [](const py::array& tree, const py::array& clock, double every, double end, const py::sequence& functions,
           int64_t first, int64_t count) -> py::array {
          const Doubles numbers(tree), rows(clock);
          const Setting setting = setting_of(rows, every, end, functions);
          py::array_t<double> out(count);
          for (int64_t i = 0; i < count; ++i) {
            out.mutable_data()[i] = schedule_value(numbers.data(), setting, static_cast<double>(first + i));
          }
          return out;
        });
  m.def("schedule_end",
        [](const py::array& tree, const py::array& clock, double every, double end, const py::sequence& functions) {
          const Doubles numbers(tree), rows(clock);
          return schedule_end(numbers.data(), setting_of(rows, every, end, functions));
        });
}

}  // namespace fallline
