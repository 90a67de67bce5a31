// The one include of every binding file: pybind11, and how a Python object becomes an array and back.
#ifndef FALLLINE_BINDINGS_BIND_H_
#define FALLLINE_BINDINGS_BIND_H_

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "primitives/functions.h"
#include "record/graph.h"
#include "record/var.h"
#include "bindings/array_object.h"

namespace fallline {

namespace py = pybind11;

// Arrays as they are; Python numbers weak; NumPy arrays, buffers and anything with __array__ or __dlpack__ without a
// copy where byte order and alignment allow; lists by NumPy's rules, with floats in the default dtype.
// Throws DTypeError for what is none of these.
Var to_var(py::handle object);

// An argument as to_var sees it; an Array is not copied, since counting its owners costs as much as a small sum.
class Argument {
 public:
  explicit Argument(py::handle object) : array_(as_array(object)) {
    if (!array_) array_ = &(made_ = to_var(object));
  }
  Argument(const Argument&) = delete;
  const Var& operator*() const { return *array_; }

 private:
  Var made_;
  const Var* array_;  // in the object, which has to outlive this
};

// A NumPy array as a view: same memory, kept alive; read-only stays read-only.
Array borrow(const py::array& array);

py::dtype to_numpy(DType dtype);
DType to_dtype(py::handle object);  // from anything np.dtype takes; throws DTypeError

Dims to_dims(py::handle object);  // an int or a sequence of ints
py::tuple to_tuple(const Dims& dims);

// Runs f, without the interpreter lock where `elements` promise more than 20 us of work.
constexpr int64_t kUnlockedElements = 16384;
template <class F>
Var unlocked(int64_t elements, F&& f) {
  if (elements < kUnlockedElements || tracing()) return settle(f());
  py::gil_scoped_release release;
  return settle(f());
}

void bind_errors(py::module_& m);
void bind_array(py::module_& m);
void bind_elementwise(py::module_& m);
void bind_functions(py::module_& m);
void bind_derivatives(py::module_& m);
void bind_plan(py::module_& m);
void bind_graph(py::module_& m);
void bind_optim(py::module_& m);
void bind_schedules(py::module_& m);
void bind_train(py::module_& m);
void bind_landscapes(py::module_& m);
void bind_nn(py::module_& m);
void bind_info(py::module_& m);
void bind_number_slots(py::module_& m);
void bind_indexing(py::module_& m);

}  // namespace fallline

#endif  // FALLLINE_BINDINGS_BIND_H_
