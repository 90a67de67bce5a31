// Indexing of fl.Array by integers, slices, ... and None, which gives views.
#include <optional>
#include <string>

#include "bindings/slots.h"

namespace fallline {
namespace {

// For all other keys: a Python function of (array, key). Never freed.
PyObject* other_keys = nullptr;

bool is_plain(PyObject* part) {
  return PyLong_CheckExact(part) || PySlice_Check(part) || part == Py_None || part == Py_Ellipsis;
}

// One slice and one reshape, found from left to right.
class Index {
 public:
  explicit Index(const Var& x) : x_(x) {}

  // Throws IndexError where the parts do not fit the shape.
  Var apply(PyObject* const* parts, Py_ssize_t count) {
    int given = 0, dots = 0;
    for (Py_ssize_t i = 0; i < count; ++i) {
      dots += parts[i] == Py_Ellipsis;
      given += parts[i] != Py_Ellipsis && parts[i] != Py_None;
    }
    const int ndim = x_.shape().size();
    if (given > ndim)
      throw py::index_error("[index] " + std::to_string(given) + " indices for an array of shape " +
                            to_string(x_.shape()));
    if (dots > 1) throw py::index_error("[index] at most one ellipsis (...) is possible");
    for (Py_ssize_t i = 0; i < count; ++i) {
      if (parts[i] == Py_Ellipsis) {
        whole_axes(ndim - given);
      } else {
        add(parts[i]);
      }
    }
    if (dots == 0) whole_axes(ndim - given);
    const Var cut = changed_ ? slice(x_, starts_, lengths_, steps_) : x_;
    return cut.shape() == shape_ ? cut : reshape(cut, shape_);
  }

 private:
  void add(PyObject* part) {
    if (part == Py_None) return shape_.push_back(1);
    const int axis = starts_.size();
    const Py_ssize_t length = static_cast<Py_ssize_t>(x_.shape()[axis]);
    if (!PySlice_Check(part)) return add_integer(part, axis, length);
    Py_ssize_t start, stop, step;
    if (PySlice_Unpack(part, &start, &stop, &step) < 0) throw py::error_already_set();
    const Py_ssize_t taken = PySlice_AdjustIndices(length, &start, &stop, step);
    cut(start, taken, step);
    changed_ |= start != 0 || taken != length || step != 1;
    shape_.push_back(taken);
  }
  void add_integer(PyObject* part, int axis, Py_ssize_t length) {
    const Py_ssize_t i = PyLong_AsSsize_t(part);
    const bool fits = !(i == -1 && PyErr_Occurred()) && i >= -length && i < length;
    if (!fits) {
      PyErr_Clear();
      throw py::index_error("[index] " + std::string(py::str(part)) + " is out of range for axis " +
                            std::to_string(axis) + " of length " + std::to_string(length));
    }
    cut(i < 0 ? i + length : i, 1, 1);
    changed_ |= length != 1;
  }
  void whole_axes(int count) {
    for (int i = 0; i < count; ++i) {
      const int64_t length = x_.shape()[starts_.size()];
      cut(0, length, 1);
      shape_.push_back(length);
    }
  }
  void cut(int64_t start, int64_t length, int64_t step) {
    starts_.push_back(start);
    lengths_.push_back(length);
    steps_.push_back(step);
  }

  const Var& x_;
  Dims starts_, lengths_, steps_, shape_;
  bool changed_ = false;
};

// Null where a part is of another kind.
std::optional<Var> plain_index(const Var& x, PyObject* key) {
  PyObject* const* parts = &key;
  Py_ssize_t count = 1;
  if (PyTuple_CheckExact(key)) {
    parts = &PyTuple_GET_ITEM(key, 0);
    count = PyTuple_GET_SIZE(key);
  }
  for (Py_ssize_t i = 0; i < count; ++i)
    if (!is_plain(parts[i])) return std::nullopt;
  return Index(x).apply(parts, count);
}

PyObject* subscript(PyObject* self, PyObject* key) {
  const Var* x = as_array(self);
  return guarded([&]() -> PyObject* {
    if (const std::optional<Var> found = plain_index(*x, key)) return to_python(*found);
    return PyObject_CallFunctionObjArgs(other_keys, self, key, nullptr);
  });
}

}  // namespace

void bind_indexing(py::module_& m) {
  m.def("plain_index", [](const Var& x, py::handle key) { return plain_index(x, key.ptr()); });
  // x[key] without a Python call for plain keys; `other` is asked for all others. The attribute must not be a Python
  // function: the interpreter would call that one and pass by the slot.
  m.def("set_subscript", [](py::object other) {
    other_keys = other.release().ptr();
    const auto method = [](const py::object& x, const py::object& key) {
      PyObject* const found = subscript(x.ptr(), key.ptr());
      if (!found) throw py::error_already_set();
      return py::reinterpret_steal<py::object>(found);
    };
    const py::handle type(reinterpret_cast<PyObject*>(array_type));
    type.attr("__getitem__") = py::cpp_function(method, py::name("__getitem__"), py::is_method(type));
    array_type->tp_as_mapping->mp_subscript = subscript;
    PyType_Modified(array_type);
  });
}

}  // namespace fallline
