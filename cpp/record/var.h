// What is an array that remembers where it came from?
#ifndef FALLLINE_RECORD_VAR_H_
#define FALLLINE_RECORD_VAR_H_

#include <memory>
#include <vector>

#include "tensor/array.h"

namespace fallline {

class Var;
using Vars = std::vector<Var>;
struct Node;
using NodePtr = std::shared_ptr<Node>;

// A handle on an immutable triple: an array, the node that computed it, and its number in the graph being traced.
class Var {
 public:
  Var() = default;
  explicit Var(Array array, NodePtr node = nullptr, int64_t value = -1, bool weak = false, int output = 0)
      : p_(std::make_shared<const Data>(std::move(array), std::move(node), value, output, weak)) {}
  // A plain number is weak: it takes the dtype of what it meets, as in NumPy, and the default dtype on its own
  // (settle, a function). It is held as float64 or int64, so that no digit is lost before it is known which dtype it
  // meets.
  Var(double number);
  Var(int number);

  explicit operator bool() const { return p_ != nullptr; }
  const Array& array() const { return p_->array; }
  const NodePtr& node() const { return p_->node; }
  int output() const { return p_->output; }    // which of the node's
  int64_t value() const { return p_->value; }  // -1 outside a trace; else the graph's number and its own
  bool weak() const { return p_->weak; }
  const Dims& shape() const { return p_->array.shape; }
  DType dtype() const { return p_->array.dtype; }
  bool tracked() const { return p_->node != nullptr; }
  const void* identity() const { return p_.get(); }
  // Whether no other handle, no record and no view holds this memory.
  bool alone() const { return p_.use_count() == 1 && p_->array.buffer.use_count() == 1; }

 private:
  struct Data {
    Array array;
    NodePtr node;
    int64_t value;
    int output;
    bool weak;
    Data(Array&& a, NodePtr&& n, int64_t v, int o, bool w)
        : array(std::move(a)), node(std::move(n)), value(v), output(o), weak(w) {}
  };
  std::shared_ptr<const Data> p_;
};

Var weak(Array array);

DType default_dtype();
void set_default_dtype(DType dtype);  // float32 or float64

// Whether functions called on this thread remember their inputs.
bool recording();
class NoRecord {
 public:
  explicit NoRecord(bool record = false);
  ~NoRecord();
  NoRecord(const NoRecord&) = delete;

 private:
  bool before_;
};

// The same array as the start of a record: derivatives are taken with respect to it. It still remembers `x` itself, so
// that an outer derivative passes through.
Var start_record(const Var& x);
// The end of a record: x without its past, unless something older than the targets could still ask for a derivative.
Var close_record(const Var& x, const Vars& targets);
// The same array without a past.
Var detach(const Var& x);
void check_differentiable(DType dtype, const char* what);  // throws DTypeError
// A leaf whose gradient `backward` accumulates.
Var leaf(const Array& array);
bool is_leaf(const Var& x);
Var leaf_gradient(const Var& x);  // empty while there is none
void set_leaf_gradient(const Var& x, const Var& g);

}  // namespace fallline

#endif  // FALLLINE_RECORD_VAR_H_
