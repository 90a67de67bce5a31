// What every slot that is filled by hand needs: C++ exceptions as the Python errors that pybind11 registers for them.
#ifndef FALLLINE_BINDINGS_SLOTS_H_
#define FALLLINE_BINDINGS_SLOTS_H_

#include "bindings/bind.h"

namespace fallline {

inline PyObject* fail(const char* type, const char* what) {
  static const auto* const core =
      new py::module_(py::module_::import("fallline._core"));  // for the life of the process
  PyErr_SetString(core->attr(type).ptr(), what);
  return nullptr;
}

template <class F>
PyObject* guarded(F&& f) {
  try {
    return f();
  } catch (py::error_already_set& e) {
    e.restore();
    return nullptr;
  } catch (const ShapeError& e) {
    return fail("ShapeError", e.what());
  } catch (const DTypeError& e) {
    return fail("DTypeError", e.what());
  } catch (const TraceError& e) {
    return fail("TraceError", e.what());
  } catch (const py::builtin_exception& e) {
    e.set_error();
    return nullptr;
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::invalid_argument& e) {
    PyErr_SetString(PyExc_ValueError, e.what());
    return nullptr;
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
    return nullptr;
  }
}

}  // namespace fallline

#endif  // FALLLINE_BINDINGS_SLOTS_H_
