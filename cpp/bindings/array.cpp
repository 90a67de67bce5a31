// fl.Array: the attributes that are close to the memory. Methods that are functions are added in Python.
#include "bindings/slots.h"

#include "ops/plain.h"

namespace fallline {
namespace {

// One element as a Python number.
py::object item(const Var& x) {
  check_readable(x, "item");
  if (x.array().size() != 1)
    throw ShapeError("[item] only an array with one element is a number, got shape " + to_string(x.shape()));
  return visit(x.dtype(),
               [&](auto tag) -> py::object { return py::cast(*x.array().as<typename decltype(tag)::Type>()); });
}

// Copies `value` (broadcast, cast) over the elements of a view.
void write(const Var& view, const Var& value) {
  check_readable(view, "setitem");
  check_readable(value, "setitem");
  const Array& to = view.array();
  if (!to.buffer->writable())
    throw ShapeError(
        "[setitem] the array is read-only: it shares the memory of a read-only NumPy array; copy it first");
  if (broadcast(to.shape, value.shape(), "setitem") != to.shape)
    throw ShapeError("[setitem] a value of shape " + to_string(value.shape()) + " does not fit " + to_string(to.shape));
  const bool shared = value.array().buffer == to.buffer;
  cast(shared ? copy(detach(value)).array() : value.array(), to);
  to.buffer->bump();
}

Var wrap(py::handle object, bool requires_grad) {
  const Var x = settle(to_var(object));
  return requires_grad ? leaf(x.array()) : x;
}

using Get = py::object (*)(const Var&);

// An attribute that is read without pybind11's dispatch, which takes longer than a small sum.
PyGetSetDef attribute(const char* name, Get f) {
  const getter get = [](PyObject* self, void* closure) {
    return guarded([&] { return reinterpret_cast<Get>(closure)(*as_array(self)).release().ptr(); });
  };
  return {name, get, nullptr, nullptr, reinterpret_cast<void*>(f)};
}

PyGetSetDef* attributes() {
  static PyGetSetDef table[] = {
      attribute("shape", [](const Var& x) -> py::object { return to_tuple(x.shape()); }),
      attribute("ndim", [](const Var& x) -> py::object { return py::int_(x.shape().size()); }),
      attribute("size", [](const Var& x) -> py::object { return py::int_(x.array().size()); }),
      attribute("nbytes", [](const Var& x) -> py::object { return py::int_(x.array().bytes()); }),
      attribute("dtype", [](const Var& x) -> py::object { return to_numpy(x.dtype()); }),
      attribute("itemsize", [](const Var& x) -> py::object { return py::int_(size_of(x.dtype())); }),
      attribute("strides", [](const Var& x) -> py::object { return to_tuple(x.array().strides); }),
      attribute("_readable", [](const Var& x) -> py::object { return py::bool_(x.array().buffer != nullptr); }),
      attribute("_given_away",
                [](const Var& x) -> py::object { return py::bool_(!x.array().buffer && x.value() < 0); }),
      attribute("_writable",
                [](const Var& x) -> py::object { return py::bool_(x.array().buffer && x.array().buffer->writable()); }),
      attribute("_tracked", [](const Var& x) -> py::object { return py::bool_(x.tracked()); }),
      attribute("requires_grad", [](const Var& x) -> py::object { return py::bool_(x.tracked()); }),
      {}};
  return table;
}

}  // namespace

void bind_array(py::module_& m) {
  const py::handle type(reinterpret_cast<PyObject*>(make_array_type(attributes())));
  m.attr("Array") = type;
  const auto method = [&](const char* name, const auto& f) {
    type.attr(name) = py::cpp_function(f, py::name(name), py::is_method(type));
  };
  const auto gradient = [](const Var& x) -> py::object {
    const Var g = leaf_gradient(x);
    return g ? py::cast(g) : py::none();
  };
  const auto set_gradient = [](const Var& x, py::object g) { set_leaf_gradient(x, g.is_none() ? Var() : to_var(g)); };
  const py::handle property(reinterpret_cast<PyObject*>(&PyProperty_Type));
  type.attr("grad") = property(py::cpp_function(gradient, py::is_method(type)),
                               py::cpp_function(set_gradient, py::is_method(type)), py::none(), "");
  method("item", item);
  method("__len__", [](const Var& x) {
    if (x.shape().empty()) throw DTypeError("[len] a 0-d array has no length");
    return x.shape()[0];
  });
  method("_write", write);
  m.def("wrap", wrap, py::arg("object"), py::arg("requires_grad") = false);
  m.def("empty", [](py::object shape, py::object dtype) { return Var(Array::empty(to_dims(shape), to_dtype(dtype))); });
  m.def("shares_memory", [](const Var& x, const Var& y) { return x.array().buffer == y.array().buffer; });
}

}  // namespace fallline
