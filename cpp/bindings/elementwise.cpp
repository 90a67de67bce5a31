// The elementwise functions, one row of the op tables each.
#include "bindings/bind.h"

namespace fallline {

void bind_elementwise(py::module_& m) {
#define FL_ROW(Formula, name, reads) \
  m.def(#name, [](py::handle object) { \
    const Var x = to_var(object); \
    return unlocked(x.array().size(), [&] { return name(x); }); \
  });
  FL_UNARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, name) \
  m.def(#name, [](py::handle object) { \
    const Var x = to_var(object); \
    return unlocked(x.array().size(), [&] { return name(x); }); \
  });
  FL_TEST_OPS(FL_ROW)
#undef FL_ROW
#define FL_BIND_BINARY(name) \
  m.def(#name, [](py::handle left, py::handle right) { \
    const Var x = to_var(left), y = to_var(right); \
    return unlocked(x.array().size() + y.array().size(), [&] { return name(x, y); }); \
  });
#define FL_ROW(Formula, name, reads_a, reads_b) FL_BIND_BINARY(name)
  FL_BINARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, name) FL_BIND_BINARY(name)
  FL_COMPARE_OPS(FL_ROW)
  FL_INTEGER_OPS(FL_ROW)
#undef FL_ROW
#undef FL_BIND_BINARY
}

}  // namespace fallline
