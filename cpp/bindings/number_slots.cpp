// The operators of fl.Array, put into the type's number slots by hand: pybind11's dispatch costs as much as the work.
#include "bindings/slots.h"

namespace fallline {
namespace {

using BinaryFunction = Var (*)(const Var&, const Var&);

// Whether arithmetic with this object is ours; anything else may know how to deal with an Array itself.
bool is_operand(PyObject* p) {
  return as_array(p) || PyFloat_Check(p) || PyLong_Check(p) || py::isinstance<py::array>(p) || PyList_Check(p) ||
         PyTuple_Check(p) || py::hasattr(p, "dtype");
}

template <BinaryFunction f>
PyObject* binary_slot(PyObject* left, PyObject* right) {
  return guarded([&]() -> PyObject* {
    if (!is_operand(left) || !is_operand(right)) Py_RETURN_NOTIMPLEMENTED;
    const Argument first(left), second(right);
    const Var &x = *first, &y = *second;
    return to_python(unlocked(x.array().size() + y.array().size(), [&] { return f(x, y); }));
  });
}

template <Var (*f)(const Var&)>
PyObject* unary_slot(PyObject* object) {
  return guarded([&] { return to_python(settle(f(*Argument(object)))); });
}

// For calls by name, where an error has to be thrown again.
PyObject* checked(PyObject* result) {
  if (!result) throw py::error_already_set();
  return result;
}

Var positive(const Var& x) { return x; }
Var invert(const Var& x) {
  if (x.dtype() == DType::kBool) return logical_not(x);
  return bitwise_xor(x, Var(-1));
}

// x ** 2 and the like without pow.
Var power_of(const Var& x, const Var& y) {
  if (y.weak() && y.array().buffer && y.shape().empty() && is_float(x.dtype())) {
    const double p = is_float(y.dtype()) ? *y.array().as<double>() : static_cast<double>(*y.array().as<int64_t>());
    if (p == 2) return square(x);
    if (p == 1) return x;
    if (p == 3) return square(x) * x;
    if (p == -1) return reciprocal(x);
    if (p == 0.5) return sqrt(x);
  }
  return power(x, y);
}

PyObject* power_slot(PyObject* left, PyObject* right, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary_slot<power_of>(left, right);
}

PyObject* compare_slot(PyObject* left, PyObject* right, int op) {
  switch (op) {
    case Py_LT:
      return binary_slot<less>(left, right);
    case Py_LE:
      return binary_slot<less_equal>(left, right);
    case Py_EQ:
      return binary_slot<equal>(left, right);
    case Py_NE:
      return binary_slot<not_equal>(left, right);
    case Py_GT:
      return binary_slot<greater>(left, right);
    default:
      return binary_slot<greater_equal>(left, right);
  }
}

}  // namespace

void bind_number_slots(py::module_& m) {
  const auto method = [&](const char* name, const auto& f) {
    m.attr("Array").attr(name) = py::cpp_function(f, py::name(name), py::is_method(m.attr("Array")), py::is_operator());
  };
  using Slot = PyObject* (*)(PyObject*, PyObject*);
  const auto forward = [](Slot f) {
    return [f](py::object x, py::object y) { return py::reinterpret_steal<py::object>(checked(f(x.ptr(), y.ptr()))); };
  };
  const auto reflected = [](Slot f) {
    return [f](py::object x, py::object y) { return py::reinterpret_steal<py::object>(checked(f(y.ptr(), x.ptr()))); };
  };
  // The attributes (x.__add__) first, since setting one resets its slot; then the slots themselves.
#define FL_OPERATOR(name, slot, f)                 \
  method("__" name "__", forward(binary_slot<f>)); \
  method("__r" name "__", reflected(binary_slot<f>));
#define FL_OPERATORS(X)                        \
  X("add", nb_add, add)                        \
  X("sub", nb_subtract, subtract)              \
  X("mul", nb_multiply, multiply)              \
  X("truediv", nb_true_divide, divide)         \
  X("floordiv", nb_floor_divide, floor_divide) \
  X("mod", nb_remainder, remainder)            \
  X("matmul", nb_matrix_multiply, matmul)      \
  X("and", nb_and, bitwise_and)                \
  X("or", nb_or, bitwise_or)                   \
  X("xor", nb_xor, bitwise_xor)                \
  X("lshift", nb_lshift, bitwise_left_shift)   \
  X("rshift", nb_rshift, bitwise_right_shift)
  FL_OPERATORS(FL_OPERATOR)
  FL_OPERATOR("pow", nb_power, power_of)
#undef FL_OPERATOR
#define FL_OPERATOR(name, f) method("__" name "__", forward(binary_slot<f>));
  FL_OPERATOR("lt", less)
  FL_OPERATOR("le", less_equal)
  FL_OPERATOR("eq", equal)
  FL_OPERATOR("ne", not_equal)
  FL_OPERATOR("gt", greater)
  FL_OPERATOR("ge", greater_equal)
#undef FL_OPERATOR
  method("__neg__", [](const Var& x) { return settle(negative(x)); });
  method("__pos__", [](const Var& x) { return x; });
  method("__abs__", [](const Var& x) { return settle(abs(x)); });
  method("__invert__", [](const Var& x) { return settle(invert(x)); });

  PyNumberMethods* number = array_type->tp_as_number;
#define FL_OPERATOR(name, slot, f) number->slot = binary_slot<f>;
  FL_OPERATORS(FL_OPERATOR)
#undef FL_OPERATOR
  number->nb_power = power_slot;
  number->nb_negative = unary_slot<negative>;
  number->nb_positive = unary_slot<positive>;
  number->nb_absolute = unary_slot<abs>;
  number->nb_invert = unary_slot<invert>;
  array_type->tp_richcompare = compare_slot;
  PyType_Modified(array_type);
}

}  // namespace fallline
