// What is fl.Array to the interpreter?  A type of our own that holds the Var in the object itself: what pybind11 does
// for each object of a py::class_ (a second allocation, a table of all instances) takes longer than a small sum.
#ifndef FALLLINE_BINDINGS_ARRAY_OBJECT_H_
#define FALLLINE_BINDINGS_ARRAY_OBJECT_H_

#include <pybind11/pybind11.h>

#include "record/var.h"

namespace fallline {

struct ArrayObject {
  PyObject head;
  PyObject* weak_references;
  Var var;
};

extern PyTypeObject* array_type;  // made by make_array_type, for the life of the process
PyTypeObject* make_array_type(PyGetSetDef* attributes);

// Null unless `object` is a fallline Array.
inline const Var* as_array(pybind11::handle object) {
  if (!PyObject_TypeCheck(object.ptr(), array_type)) return nullptr;
  return &reinterpret_cast<const ArrayObject*>(object.ptr())->var;
}

// A new Array.
PyObject* to_python(Var x);

}  // namespace fallline

// How pybind11 converts a Var that a bound function takes or returns. Every binding file has to see this.
template <>
struct pybind11::detail::type_caster<fallline::Var> {
  static constexpr auto name = const_name("fallline._core.Array");
  template <class>
  using cast_op_type = const fallline::Var&;

  bool load(handle object, bool) { return (var_ = fallline::as_array(object)) != nullptr; }
  operator const fallline::Var&() const { return *var_; }
  static handle cast(fallline::Var x, return_value_policy, handle) { return fallline::to_python(std::move(x)); }

 private:
  const fallline::Var* var_ = nullptr;  // in an object that the call keeps alive
};

#endif  // FALLLINE_BINDINGS_ARRAY_OBJECT_H_
