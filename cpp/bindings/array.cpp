// fl.Array: the attributes that are close to the memory. Methods that are functions are added in Python.
#include "bindings/bind.h"

#include "ops/plain.h"

namespace fallline {
namespace {

py::buffer_info buffer_of(const Var& x) {
  check_readable(x, "buffer");
  const Array& a = x.array();
  std::vector<py::ssize_t> shape, strides;
  for (int i = 0; i < a.ndim(); ++i) {
    shape.push_back(a.shape[i]);
    strides.push_back(a.strides[i] * static_cast<py::ssize_t>(size_of(a.dtype)));
  }
  return py::buffer_info(a.data, static_cast<py::ssize_t>(size_of(a.dtype)), info(a.dtype).format, a.ndim(), shape,
                         strides, !a.buffer->writable());
}

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

}  // namespace

void bind_array(py::module_& m) {
  py::class_<Var>(m, "Array", py::buffer_protocol())
      .def_buffer(buffer_of)
      .def_property_readonly("shape", [](const Var& x) { return to_tuple(x.shape()); })
      .def_property_readonly("ndim", [](const Var& x) { return x.shape().size(); })
      .def_property_readonly("size", [](const Var& x) { return x.array().size(); })
      .def_property_readonly("nbytes", [](const Var& x) { return x.array().bytes(); })
      .def_property_readonly("dtype", [](const Var& x) { return to_numpy(x.dtype()); })
      .def_property_readonly("itemsize", [](const Var& x) { return size_of(x.dtype()); })
      .def_property_readonly("strides", [](const Var& x) { return to_tuple(x.array().strides); })
      .def_property_readonly("_readable", [](const Var& x) { return x.array().buffer != nullptr; })
      .def_property_readonly("_writable", [](const Var& x) { return x.array().buffer && x.array().buffer->writable(); })
      .def_property_readonly("_tracked", [](const Var& x) { return x.tracked(); })
      .def_property_readonly("requires_grad", [](const Var& x) { return x.tracked(); })
      .def_property(
          "grad",
          [](const Var& x) -> py::object {
            const Var g = leaf_gradient(x);
            return g ? py::cast(g) : py::none();
          },
          [](const Var& x, py::object g) { set_leaf_gradient(x, g.is_none() ? Var() : to_var(g)); })
      .def("item", item)
      .def("__len__",
           [](const Var& x) {
             if (x.shape().empty()) throw DTypeError("[len] a 0-d array has no length");
             return x.shape()[0];
           })
      .def("_write", write);
  m.def("wrap", wrap, py::arg("object"), py::arg("requires_grad") = false);
  m.def("empty", [](py::object shape, py::object dtype) { return Var(Array::empty(to_dims(shape), to_dtype(dtype))); });
  m.def("shares_memory", [](const Var& x, const Var& y) { return x.array().buffer == y.array().buffer; });
}

}  // namespace fallline
