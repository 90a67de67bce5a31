// How is the next step made without checking everything again?
#ifndef FALLLINE_BINDINGS_STEPPER_H_
#define FALLLINE_BINDINGS_STEPPER_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bindings/bind.h"
#include "bindings/tree_record.h"
#include "optim/rules.h"

namespace fallline {

// "full", "bfloat16" or "float8".
Precision precision_of(const std::string& name);

// The tensors of one step, float32 and float64 apart. The arrays must outlive it.
struct Batch {
  Precision precision;
  std::vector<RuleTensor> tensors[2];
  int64_t ends[2];

  // Checked arrays, flat and each in one memory order with its gradient and its slots.
  Batch(Precision precision, const py::list& ws, const py::list& gs, const py::list& slots);
  void step(const Rule& rule, py::handle row, int64_t t) const;
};

// Recognises the trees of the last checked step: the same parameters, and gradients that look like the last ones.
class Stepper {
 public:
  Stepper(const std::string& rule_name, Precision precision) : rule_(rule_index(rule_name)), precision_(precision) {}

  // Nothing is recognised any longer, and no array kept alive.
  void forget() {
    batch_.reset();
    params_.clear();
    slots_ = py::list();
  }

  // The kernel worked on the parameters themselves; gradient i stands at place order[i] of the tree `grads`.
  void remember(py::handle params, py::handle grads, const py::list& ws, const py::list& gs, const py::list& slots,
                const std::vector<size_t>& order);

  // False, and nothing done, when these are not the trees that were remembered.
  bool step(py::handle params, py::handle grads, py::handle row, int64_t t);

 private:
  // What an array must look like for the kernel; `order` holds NumPy's two bits for flat memory.
  struct Param {
    py::object object;
    PyObject* dtype;
    size_t itemsize;
    int order;
    std::vector<Py_ssize_t> shape;
    Py_ssize_t bytes;
    std::shared_ptr<Buffer> buffer;  // of an Array, whose version every step raises
    RuleTensor* tensor;
  };
  using Address = const char*;

  static Param describe(py::handle object, const py::array& memory);
  static void* data_of(PyObject* object, const Param& like, bool writable);
  bool overlaps(const Param& p) const;

  int rule_;
  Precision precision_;
  std::optional<Batch> batch_;
  py::list slots_;  // kept alive
  TreeRecord params_tree_, grads_tree_;
  std::vector<Param> params_;
  std::vector<size_t> place_;                        // of the parameter that belongs to each leaf of the gradients
  std::vector<std::pair<Address, Address>> bounds_;  // by address; the second is the furthest end so far
};

}  // namespace fallline

#endif  // FALLLINE_BINDINGS_STEPPER_H_
