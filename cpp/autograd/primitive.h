// What does the engine know of an op?  One static row each; no classes, no lists of types.
#ifndef FALLLINE_AUTOGRAD_PRIMITIVE_H_
#define FALLLINE_AUTOGRAD_PRIMITIVE_H_

#include <functional>

#include "autograd/var.h"
#include "ops/elementwise.h"

namespace fallline {

// The parameters of one call that are not arrays. What each member means is said beside the primitive.
struct Attrs {
  Dims dims, starts, steps;
  double number = 0;
  int64_t integer = 0;
  DType dtype = DType::kFloat32;
  bool flag = false;
  friend bool operator==(const Attrs& a, const Attrs& b) {
    return a.dims == b.dims && a.starts == b.starts && a.steps == b.steps && a.number == b.number &&
           a.integer == b.integer && a.dtype == b.dtype && a.flag == b.flag;
  }
};

// The inputs of one call. They may be placeholders in `shape`, never in `eval`.
struct Inputs {
  const Array* const* arrays;
  int count;
  const Array& operator[](int i) const { return *arrays[i]; }
};

// One call seen from its backward side. `gin[i]` may stay empty where the gradient is zero; only inputs whose bit is
// set in `wanted` need one. A gradient may have the broadcast shape: the engine sums it down to the input's.
struct Pullback {
  const Var& g;    // the gradient of the output
  const Var* in;   // inputs; empty where `keeps` does not name them
  const Var& out;  // likewise
  const Attrs& attrs;
  const Dims* in_shape;  // of every input
  uint32_t wanted;
  Var* gin;
  bool wants(int i) const { return (wanted >> i) & 1; }
};

constexpr uint32_t kReadsNone = 0, kReadsA = 1, kReadsB = 2, kReadsC = 4, kReadsOut = 1u << 31;
constexpr uint32_t kReadsX = kReadsA, kReadsY = kReadsOut;  // of a unary op: y = f(x)

struct Primitive {
  const char* name;
  Layout (*shape)(Inputs in, const Attrs& attrs);                 // or throws ShapeError, DTypeError
  void (*eval)(Inputs in, const Array& out, const Attrs& attrs);  // null where the output is always a view
  void (*vjp)(Pullback& p);                                       // in recorded functions; null: no derivative
  uint32_t keeps;                                                 // the inputs and the output that vjp reads

  // Of elementwise functions: the kernel over consecutive elements, all of one float dtype; for groups
  // (autograd/group.h).
  ElementwiseKernel (*flat)(DType dtype) = nullptr;
  uint32_t repeats = 0;  // the inputs that may be one element, repeated

  // For plans: a call with all that follows from shapes worked out, or null. It reads where the elements lie each time.
  std::function<void()> (*prepare)(Inputs in, const Array& out, const Attrs& attrs) = nullptr;

  // Of functions whose output is a stack of rows: the same with every row in memory of its own. Row i may lie where
  // input `overwrites` + i lies, in whose row-major order it is. Also of functions with several outputs.
  void (*rows)(Inputs in, Inputs rows, const Attrs& attrs) = nullptr;
  int overwrites = 0;
};

// Shapes that several primitives have: that of the first input, in its memory order where it is dense...
inline Layout like_first(Inputs in, const Attrs&) {
  Layout out = in[0].layout();
  out.strides = is_dense(out.shape, out.strides) ? out.strides : row_major(out.shape);
  return out;
}
// ... and a view of it, to be changed.
inline Layout view_of(Inputs in) {
  Layout out = in[0].layout();
  out.alias = 0;
  return out;
}

// Runs a primitive: evaluates it, or adds it to the graph being traced; and remembers it where a derivative may be
// asked.
// Pointers are for arguments that stand somewhere: a copy counts owners, which takes as long as a small sum.
Var apply(const Primitive& primitive, const Var* const* inputs, int count, const Attrs& attrs);
Var apply(const Primitive& primitive, const Var* inputs, int count, const Attrs& attrs);
inline Var apply(const Primitive& primitive, std::initializer_list<const Var*> inputs, const Attrs& attrs = {}) {
  return apply(primitive, inputs.begin(), static_cast<int>(inputs.size()), attrs);
}
inline Var apply(const Primitive& primitive, std::initializer_list<Var> inputs, const Attrs& attrs = {}) {
  return apply(primitive, inputs.begin(), static_cast<int>(inputs.size()), attrs);
}

}  // namespace fallline

#endif  // FALLLINE_AUTOGRAD_PRIMITIVE_H_
