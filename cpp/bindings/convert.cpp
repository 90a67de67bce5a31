// How does a Python object become an array and back?
#include "bindings/bind.h"

#include "ops/plain.h"

namespace fallline {
namespace {

// Whether the elements can be read where they lie: native byte order, whole strides, aligned to the item.
bool usable_in_place(const py::array& array) {
  const auto size = array.itemsize();
  for (py::ssize_t i = 0; i < array.ndim(); ++i)
    if (array.strides(i) % size) return false;
  return py::dtype(array.dtype()).byteorder() != '>' &&
         reinterpret_cast<uintptr_t>(array.data()) % static_cast<size_t>(size) == 0;
}

void release_object(void* owner) {
  // The last reference may go while another thread runs Python, or after the interpreter has gone.
  if (!Py_IsInitialized()) return;
  py::gil_scoped_acquire lock;
  Py_DECREF(static_cast<PyObject*>(owner));
}

py::object numpy(const char* name) { return py::module_::import("numpy").attr(name); }

}  // namespace

DType to_dtype(py::handle object) {
  const py::dtype wanted = py::dtype::from_args(py::reinterpret_borrow<py::object>(object));
  const char kind = wanted.kind();
  const auto size = wanted.itemsize();
  for (int i = 0; i < kDTypes; ++i) {
    const DType dtype = static_cast<DType>(i);
    const char ours = dtype == DType::kBool ? 'b' : is_float(dtype) ? 'f' : is_unsigned(dtype) ? 'u' : 'i';
    if (kind == ours && static_cast<size_t>(size) == size_of(dtype)) return dtype;
  }
  throw DTypeError("[asarray] dtype " + std::string(py::str(wanted)) +
                   " is not supported; expected bool, an integer type, float32 or float64");
}

py::dtype to_numpy(DType dtype) {
  static const auto* table = [] {
    auto* rows = new std::vector<py::dtype>;  // never freed: it must outlive the interpreter's last arrays
    for (int i = 0; i < kDTypes; ++i) rows->push_back(py::dtype(name_of(static_cast<DType>(i))));
    return rows;
  }();
  return (*table)[static_cast<size_t>(dtype)];
}

Array borrow(const py::array& array) {
  if (!usable_in_place(array)) {
    const py::object native = py::dtype(array.dtype()).attr("newbyteorder")("=");
    return borrow(py::array(array.attr("astype")(native, py::arg("order") = "C", py::arg("copy") = true)));
  }
  Array out;
  out.dtype = to_dtype(array.dtype());
  for (py::ssize_t i = 0; i < array.ndim(); ++i) {
    out.shape.push_back(array.shape(i));
    out.strides.push_back(array.strides(i) / array.itemsize());
  }
  out.data = static_cast<std::byte*>(const_cast<void*>(array.data()));
  Py_INCREF(array.ptr());
  out.buffer =
      Buffer::borrow(out.data, static_cast<size_t>(array.nbytes()), array.writeable(), array.ptr(), release_object);
  return out;
}

Var to_var(py::handle object) {
  PyObject* p = object.ptr();
  if (const Var* array = as_array(object)) return *array;
  if (PyBool_Check(p)) return weak(Array::scalar(p == Py_True, DType::kBool));
  if (PyLong_CheckExact(p)) {
    int overflow = 0;
    const long long value = PyLong_AsLongLongAndOverflow(p, &overflow);
    if (!overflow) return weak(Array::scalar(value, DType::kInt64));
  }
  if (PyFloat_CheckExact(p)) return Var(PyFloat_AS_DOUBLE(p));
  if (py::isinstance<py::array>(object)) return Var(borrow(py::reinterpret_borrow<py::array>(object)));
  const bool foreign = !PyList_Check(p) && !PyTuple_Check(p) && !py::hasattr(object, "__array__") &&
                       !PyObject_CheckBuffer(p) && py::hasattr(object, "__dlpack__");
  const py::array array(foreign ? numpy("from_dlpack")(object) : numpy("asarray")(object));
  const bool from_numbers =
      (PyList_Check(p) || PyTuple_Check(p)) && array.dtype().kind() == 'f' && array.itemsize() == 8;
  const Var out(borrow(array));
  return from_numbers ? astype(out, default_dtype()) : out;
}

Dims to_dims(py::handle object) {
  Dims dims;
  if (PyIndex_Check(object.ptr())) {
    dims.push_back(py::cast<int64_t>(object));
  } else {
    for (py::handle item : object) dims.push_back(py::cast<int64_t>(item));
  }
  return dims;
}

py::tuple to_tuple(const Dims& dims) {
  py::tuple out(static_cast<size_t>(dims.size()));
  for (int i = 0; i < dims.size(); ++i) out[static_cast<size_t>(i)] = dims[i];
  return out;
}

void bind_errors(py::module_& m) {
  py::register_exception<ShapeError>(m, "ShapeError", PyExc_ValueError);
  py::register_exception<DTypeError>(m, "DTypeError", PyExc_TypeError);
  py::register_exception<DeviceError>(m, "DeviceError", PyExc_RuntimeError);
  py::register_exception<TraceError>(m, "TraceError", PyExc_RuntimeError);
  py::register_exception<TapeError>(m, "TapeError", PyExc_RuntimeError);
}

}  // namespace fallline
