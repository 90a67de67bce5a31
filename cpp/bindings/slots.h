// What every slot that is filled by hand needs: C++ exceptions as the Python errors that pybind11 registers for them.
#ifndef FALLLINE_BINDINGS_SLOTS_H_
#define FALLLINE_BINDINGS_SLOTS_H_

#include "bindings/bind.h"

namespace fallline {

template <class F>
PyObject* guarded(F&& f) {
  try {
    return f();
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (...) {
    py::detail::try_translate_exceptions();
  }
  return nullptr;
}

}  // namespace fallline

#endif  // FALLLINE_BINDINGS_SLOTS_H_
