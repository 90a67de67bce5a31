// What does the engine know of an op?  One static row each; no classes, no lists of types.
#ifndef FALLLINE_RECORD_PRIMITIVE_H_
#define FALLLINE_RECORD_PRIMITIVE_H_

#include <functional>

#include "ops/elementwise.h"
#include "record/attrs.h"
#include "record/var.h"

namespace fallline {

struct MatmulTile;
struct TileReader;

// The inputs of one call. They may be placeholders in `shape`, never in `eval`.
struct Inputs {
  const Array* const* arrays;
  int count;
  const Array& operator[](int i) const { return *arrays[i]; }
};

// One call seen from its backward side. `gin[i]` may stay empty where the gradient is zero; only inputs that are wanted
// need one. A gradient may have the broadcast shape: the engine sums it down to the input's.
struct Pullback {
  const Var& g;    // the gradient of the output
  const Var* in;   // inputs; empty where `keeps` does not name them
  const Var& out;  // likewise
  Attrs attrs;
  const Dims* in_shape;  // of every input
  const bool* wanted;
  Var* gin;
  int count;  // of inputs
  // Of a row with several outputs, instead of g and out: gradients, empty where none has come, and what is kept.
  const Vars &gs, &outs;
  bool wants(int i) const { return wanted[i]; }
};

// The inputs and the output that a vjp reads, and that a record therefore keeps.
constexpr uint32_t kReadsNone = 0, kReadsA = 1, kReadsB = 2, kReadsC = 4, kReadsOut = 1u << 31;
constexpr uint32_t kReadsX = kReadsA, kReadsY = kReadsOut;  // of a unary op: y = f(x)
constexpr uint32_t kReadsAll = ~0u;
inline bool reads(uint32_t keeps, int input) { return keeps == kReadsAll || (input < 31 && (keeps >> input) & 1); }

struct Primitive;

// One call made for many examples at once. Inputs that are `batched` (at least one) have the examples along a new first
// axis; so have the results.
struct BatchedCall {
  const Primitive& primitive;
  const Vars& in;
  const std::vector<bool>& batched;
  Attrs attrs;
  int64_t size;  // how many examples
  int count() const { return static_cast<int>(in.size()); }
  const Var& operator[](int i) const { return in[static_cast<size_t>(i)]; }
  bool has(int i) const { return batched[static_cast<size_t>(i)]; }
};

// What a row is to its neighbours in a plan: by this, never by a name, plans find steps that one kernel can do at once.
enum class Role { kNone, kAdd, kNegative, kRelu, kReluGrad };  // the last: g, y, y

// What a row becomes together with a neighbour of some role.
struct Merged {
  Role role = Role::kNone;
  const Primitive* row = nullptr;
  bool (*when)(Attrs attrs) = nullptr;  // null: always
};
// What the sum of two calls becomes, and with which parameters; false where it must not.
struct Summed {
  const Primitive* row = nullptr;
  bool (*join)(Attrs first, Attrs last, OwnAttrs& both) = nullptr;
};
// A row that two calls of the same inputs become, the second of which has one more input.
struct Paired {
  const Primitive* other = nullptr;
  const Primitive* row = nullptr;
};

// A row. It is written as a chain that begins with `primitive(name, shape)` and first says its derivative, then its
// batching rule (primitives/batch.h has the usual ones):
//   constexpr Primitive kSine =
//       primitive("sin", like_first).vjp(pull_sine, kReadsA).batch(batch_elementwise).run(eval_sine);
// A row that is never run makes nothing but views.
using Layouts = std::vector<Layout>;

struct Primitive {
  using Shape = Layout (*)(Inputs in, Attrs attrs);  // or throws ShapeError, DTypeError
  using Eval = void (*)(Inputs in, const Array& out, Attrs attrs);
  using Vjp = void (*)(Pullback& p);  // in recorded functions
  using Prepare = std::function<void()> (*)(Inputs in, const Array& out, Attrs attrs);
  using Shapes = Layouts (*)(Inputs in, Attrs attrs);
  using EvalAll = void (*)(Inputs in, Inputs out, Attrs attrs);
  using Batching = Vars (*)(const BatchedCall& b);  // in recorded functions
  using Flat = ElementwiseKernel (*)(DType dtype);
  using Tiles = void (*)(Inputs in, const TileReader& reader);
  using Products = int64_t (*)(const Dims* in, const Dims& out);
  enum class Derivative { kVjp, kZero, kNone };
  // Which outputs of a recorded call have a past, and which are kept for its derivative.
  struct Past {
    bool recorded, kept;
  };

  const char* name;
  Shape shape;
  Shapes shapes;  // of a row with several outputs, instead of `shape`
  Derivative derivative;
  Vjp pull;
  uint32_t keeps;
  Batching batch = nullptr;  // null: of a row that only plans put in
  Eval eval = nullptr;

  Flat flat = nullptr;
  uint32_t repeats = 0;

  Prepare prepare = nullptr;

  EvalAll eval_all = nullptr;
  bool overwrites = false;

  OwnAttrs (*when_recorded)(Attrs attrs) = nullptr;
  Past (*past)(Attrs attrs, int output) = nullptr;

  Role role = Role::kNone;
  Merged before = {}, after = {};
  Summed summed = {};
  Paired paired = {};
  Tiles tiles = nullptr;
  Products products = nullptr;

  constexpr Primitive run(Eval f) const {
    Primitive out = *this;
    out.eval = f;
    return out;
  }
  // Of elementwise functions: the kernel over consecutive elements, all of one float dtype; for groups (plan/group.h).
  // The inputs `may_repeat` may be one element, repeated.
  constexpr Primitive elementwise(Flat kernel, uint32_t may_repeat = 0) const {
    Primitive out = *this;
    out.flat = kernel;
    out.repeats = may_repeat;
    return out;
  }
  // For plans: a call with all that follows from shapes worked out, or null. It reads where the elements lie each time.
  constexpr Primitive prepared(Prepare f) const {
    Primitive out = *this;
    out.prepare = f;
    return out;
  }
  // Of rows with several outputs.
  constexpr Primitive run(EvalAll f) const {
    Primitive out = *this;
    out.eval_all = f;
    return out;
  }
  // The outputs may lie where the last inputs lie, each in its turn, where both are in one order.
  constexpr Primitive overwrites_last() const {
    Primitive out = *this;
    out.overwrites = true;
    return out;
  }
  // Of those whose recorded calls need other parameters: such a call leaves what its derivative reads as further
  // outputs at the end.
  constexpr Primitive recorded_as(OwnAttrs (*f)(Attrs), Past (*of)(Attrs, int)) const {
    Primitive out = *this;
    out.when_recorded = f;
    out.past = of;
    return out;
  }
  constexpr Primitive is(Role what) const {
    Primitive out = *this;
    out.role = what;
    return out;
  }
  // What it becomes where one of its inputs is computed by a step of that role ...
  constexpr Primitive takes(Role role_before, const Primitive& row, bool (*when)(Attrs) = nullptr) const {
    Primitive out = *this;
    out.before = {role_before, &row, when};
    return out;
  }
  // ... and where its result goes into one.
  constexpr Primitive ends_in(Role role_after, const Primitive& row) const {
    Primitive out = *this;
    out.after = {role_after, &row, nullptr};
    return out;
  }
  constexpr Primitive sums_to(const Primitive& row, bool (*join)(Attrs, Attrs, OwnAttrs&)) const {
    Primitive out = *this;
    out.summed = {&row, join};
    return out;
  }
  constexpr Primitive pairs_with(const Primitive& other, const Primitive& row) const {
    Primitive out = *this;
    out.paired = {&other, &row};
    return out;
  }
  // The same with a result that is handed out tile by tile.
  constexpr Primitive streams(Tiles f) const {
    Primitive out = *this;
    out.tiles = f;
    return out;
  }
  // How many multiplications with additions a call of these shapes takes, where that is what it takes.
  constexpr Primitive multiplies(Products f) const {
    Primitive out = *this;
    out.products = f;
    return out;
  }
};

// A row that has not said yet how many calls of it become one: it must.
struct Unbatched {
  Primitive row;

  constexpr Primitive batch(Primitive::Batching f) const {
    Primitive out = row;
    out.batch = f;
    return out;
  }
  // Passes of a plan put it in the place of others: nobody records it.
  constexpr Primitive only_in_plans() const { return row; }
};

// A row that has not said its derivative yet: it must.
struct Underived {
  const char* name;
  Primitive::Shape shape;
  Primitive::Shapes shapes = nullptr;

  constexpr Unbatched vjp(Primitive::Vjp pull, uint32_t keeps) const {
    return {{name, shape, shapes, Primitive::Derivative::kVjp, pull, keeps}};
  }
  // Zero wherever there is one: nothing is recorded.
  constexpr Unbatched constant() const {
    return {{name, shape, shapes, Primitive::Derivative::kZero, nullptr, kReadsNone}};
  }
  // There is one that nobody has written: who asks for it gets an error that names the row.
  constexpr Unbatched no_derivative() const {
    return {{name, shape, shapes, Primitive::Derivative::kNone, nullptr, kReadsNone}};
  }
};
constexpr Underived primitive(const char* name, Primitive::Shape shape) { return {name, shape}; }
constexpr Underived primitive(const char* name, Primitive::Shapes shapes) { return {name, nullptr, shapes}; }

// Shapes that several primitives have: that of the first input, in its memory order where it is dense...
inline Layout like_first(Inputs in, Attrs) {
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
Var apply(const Primitive& primitive, const Var* const* inputs, int count, Attrs attrs);
Var apply(const Primitive& primitive, const Var* inputs, int count, Attrs attrs);
inline Var apply(const Primitive& primitive, std::initializer_list<const Var*> inputs, Attrs attrs = {}) {
  return apply(primitive, inputs.begin(), static_cast<int>(inputs.size()), attrs);
}
inline Var apply(const Primitive& primitive, std::initializer_list<Var> inputs, Attrs attrs = {}) {
  return apply(primitive, inputs.begin(), static_cast<int>(inputs.size()), attrs);
}

// The same for rows with several outputs.
Vars apply_all(const Primitive& primitive, const Vars& inputs, Attrs attrs);
// The same for either kind.
inline Vars apply_any(const Primitive& primitive, const Vars& inputs, Attrs attrs) {
  if (primitive.shapes) return apply_all(primitive, inputs, attrs);
  return {apply(primitive, inputs.data(), static_cast<int>(inputs.size()), attrs)};
}
// Outputs that are known already, as those of a recorded call.
Vars remember_all(const Primitive& primitive, const Vars& inputs, Attrs attrs, const Vars& outputs);
// Many calls of a row as one, by its batching rule; of one where no input is batched.
Vars apply_batched(const BatchedCall& b);

}  // namespace fallline

#endif  // FALLLINE_RECORD_PRIMITIVE_H_
