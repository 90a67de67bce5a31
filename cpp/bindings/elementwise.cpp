// The elementwise functions, one row of the op tables each.
#include "bindings/bind.h"

namespace fallline {
namespace {

using One = Var (*)(const Var&);
using Two = Var (*)(const Var&, const Var&);

}  // namespace

void bind_elementwise(py::module_& m) {
  // The functions are data, so that pybind11's machinery is compiled twice and not for every one of them.
  const auto one = [](One f) {
    return [f](py::handle object) {
      const Var x = to_var(object);
      return unlocked(x.array().size(), [&] { return f(x); });
    };
  };
  const auto two = [](Two f) {
    return [f](py::handle left, py::handle right) {
      const Var x = to_var(left), y = to_var(right);
      return unlocked(x.array().size() + y.array().size(), [&] { return f(x, y); });
    };
  };
#define FL_ROW(Formula, name, reads) m.def(#name, one(static_cast<One>(name)));
  FL_UNARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, name) m.def(#name, one(static_cast<One>(name)));
  FL_TEST_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Formula, name, reads_a, reads_b) m.def(#name, two(static_cast<Two>(name)));
  FL_BINARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, name) m.def(#name, two(static_cast<Two>(name)));
  FL_COMPARE_OPS(FL_ROW)
  FL_INTEGER_OPS(FL_ROW)
#undef FL_ROW
}

}  // namespace fallline
