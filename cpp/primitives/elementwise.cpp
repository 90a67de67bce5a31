// The primitives that work element by element. Their derivatives come from the formula files, broadcasting is undone
// once, in backward.cpp.
#include "primitives/batch.h"
#include "primitives/promotion.h"
#include "ops/elementwise.h"
#include "ops/plain.h"

namespace fallline {

// The formulas with X = Var.
namespace taped {
using namespace fallline;  // NOLINT: the formula files name no namespace
#undef FL_FN
#define FL_FN inline
using X = Var;
inline Var logistic(const Var& x) { return sigmoid(x); }
#include "ops/unary.inc.h"
#include "ops/binary.inc.h"
}  // namespace taped

namespace {

// The memory order of the first input that has the whole shape, so that a flat sweep meets equal orders.
Layout elementwise_layout(Inputs in, DType dtype, const char* name, int first = 0) {
  Layout out;
  out.dtype = dtype;
  out.shape = in[first].shape;
  for (int i = first + 1; i < in.count; ++i) out.shape = broadcast(out.shape, in[i].shape, name);
  for (int i = first; i < in.count; ++i)
    if (in[i].shape == out.shape && is_dense(in[i].shape, in[i].strides)) {
      out.strides = in[i].strides;
      return out;
    }
  out.strides = row_major(out.shape);
  return out;
}

// ----- elementwise: everything comes from the formula -----

template <class Formula>
struct Row;  // name and table index of a formula
#define FL_ROW(Formula, label, reads)                                       \
  template <>                                                               \
  struct Row<taped::Formula> {                                              \
    static constexpr const char *name = #label, *gradient = #label "_grad"; \
    static constexpr UnaryOp op = UnaryOp::k##Formula;                      \
    static constexpr uint32_t keeps = reads;                                \
  };
FL_UNARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Formula, label, reads_a, reads_b)                                                   \
  template <>                                                                                      \
  struct Row<taped::Formula> {                                                                     \
    static constexpr const char *name = #label, *gradient = #label "_grad";                        \
    static constexpr BinaryOp op = BinaryOp::k##Formula;                                           \
    static constexpr uint32_t keeps = (reads_a) | (reads_b), keeps_a = reads_a, keeps_b = reads_b; \
  };
FL_BINARY_OPS(FL_ROW)
#undef FL_ROW

// The kernels of one row on consecutive elements.
template <class F>
ElementwiseKernel flat_unary(DType dtype) {
  return elementwise_kernels().unary[static_cast<int>(Row<F>::op)][float_index(dtype)];
}
template <class F>
ElementwiseKernel flat_unary_grad(DType dtype) {
  return elementwise_kernels().unary_grad[static_cast<int>(Row<F>::op)][float_index(dtype)];
}
template <class F>
ElementwiseKernel flat_binary(DType dtype) {
  return elementwise_kernels().binary[static_cast<int>(Row<F>::op)][float_index(dtype)];
}
template <class F, int kArgument>
ElementwiseKernel flat_binary_grad(DType dtype) {
  return elementwise_kernels().binary_grad[static_cast<int>(Row<F>::op)][kArgument][float_index(dtype)];
}

// `x` in the memory order of `like`, so that kernels over consecutive elements may be used.
Array in_order_of(const Array& x, const Array& like) {
  if (x.shape == like.shape && x.strides == like.strides) return x;
  Array out = Array::empty(like.layout());
  cast(x, out);
  return out;
}

// A gradient that is the same everywhere, as that of a sum, stays one element.
Array gradient_in_order_of(const Array& g, const Array& like) { return g.one_element() ? g : in_order_of(g, like); }

template <class F>
Layout like_inputs(Inputs in, Attrs) {
  return elementwise_layout(in, in[0].dtype, Row<F>::name);
}

// g * df(x, y) in one kernel: the fast form of a rule, used while the gradient itself is not recorded. Its bits equal
// those of the recorded form.
template <class F>
constexpr Primitive kUnaryGrad = primitive(Row<F>::gradient, like_inputs<F>)
                                     .no_derivative()
                                     .batch(batch_elementwise)
                                     .run([](Inputs in, const Array& out, Attrs) {
                                       unary_grad(Row<F>::op, gradient_in_order_of(in[0], out), in_order_of(in[1], out),
                                                  in_order_of(in[2], out), out);
                                     })
                                     .elementwise(flat_unary_grad<F>, 0b1)
                                     .is(std::is_same_v<F, taped::Relu> ? Role::kReluGrad : Role::kNone);

template <class F>
void pull_unary(Pullback& p) {
  const Var &x = p.in[0], &y = p.out;
  if (recording() || Row<F>::keeps == kReadsNone) {
    p.gin[0] = p.g * F::df(x, y);
  } else {
    const Var& other = x ? x : y;
    p.gin[0] = apply(kUnaryGrad<F>, {&p.g, x ? &x : &other, y ? &y : &other});
  }
}

template <class F>
constexpr Role kRoleOf = std::is_same_v<F, taped::Relu>       ? Role::kRelu
                         : std::is_same_v<F, taped::Negative> ? Role::kNegative
                         : std::is_same_v<F, taped::Add>      ? Role::kAdd
                                                              : Role::kNone;

template <class F>
constexpr Primitive kUnary = primitive(Row<F>::name, like_first)
                                 .vjp(pull_unary<F>, Row<F>::keeps)
                                 .batch(batch_elementwise)
                                 .run([](Inputs in, const Array& out, Attrs) { unary(Row<F>::op, in[0], out); })
                                 .elementwise(flat_unary<F>)
                                 .is(kRoleOf<F>);

template <class F, int kArgument>
constexpr Primitive kBinaryGrad = primitive(Row<F>::gradient, like_inputs<F>)
                                      .no_derivative()
                                      .batch(batch_elementwise)
                                      .run([](Inputs in, const Array& out, Attrs) {
                                        binary_grad(Row<F>::op, kArgument, gradient_in_order_of(in[0], out),
                                                    in_order_of(in[1], out), in_order_of(in[2], out),
                                                    in_order_of(in[3], out), out);
                                      })
                                      .elementwise(flat_binary_grad<F, kArgument>, 0b1);

template <class F, int kArgument>
void pull_binary(Pullback& p) {
  if (!p.wants(kArgument)) return;
  const Var &x = p.in[0], &y = p.in[1], &z = p.out;
  constexpr uint32_t kReads = kArgument == 0 ? Row<F>::keeps_a : Row<F>::keeps_b;
  const auto derivative = [&] {
    if constexpr (kArgument == 0)
      return F::dfa(x, y, z);
    else
      return F::dfb(x, y, z);
  };
  if constexpr (std::is_same_v<F, taped::Add> || (std::is_same_v<F, taped::Subtract> && kArgument == 0)) {
    p.gin[kArgument] = p.g;  // times one
  } else if constexpr (std::is_same_v<F, taped::Subtract>) {
    p.gin[kArgument] = -p.g;
  } else if constexpr (std::is_same_v<F, taped::Multiply>) {
    p.gin[kArgument] = p.g * (kArgument == 0 ? y : x);
  } else {
    if (recording()) {
      p.gin[kArgument] = p.g * derivative();
    } else {
      const Var& other = kReads & kReadsA ? x : kReads & kReadsB ? y : z;
      const auto operand = [&](uint32_t bit, const Var& v) { return kReads & bit ? &v : &other; };
      p.gin[kArgument] =
          apply(kBinaryGrad<F, kArgument>, {&p.g, operand(kReadsA, x), operand(kReadsB, y), operand(kReadsOut, z)});
    }
  }
}

template <class F>
constexpr Primitive binary_row() {
  return primitive(Row<F>::name, like_inputs<F>)
      .vjp(
          [](Pullback& p) {
            pull_binary<F, 0>(p);
            pull_binary<F, 1>(p);
          },
          Row<F>::keeps)
      .batch(batch_elementwise)
      .run([](Inputs in, const Array& out, Attrs) { binary(Row<F>::op, in[0], in[1], out); })
      .elementwise(flat_binary<F>, 0b11)
      .is(kRoleOf<F>);
}
template <class F>
constexpr Primitive kBinary = binary_row<F>();
template <>
constexpr Primitive kBinary<taped::Add> =
    binary_row<taped::Add>().takes(Role::kNegative, kBinary<taped::Subtract>);  // x + (-y) is x - y

// ----- elementwise, without a formula -----

#define FL_ROW(Op, label)                                                                              \
  constexpr Primitive k##Op =                                                                          \
      primitive(#label, [](Inputs in, Attrs) { return elementwise_layout(in, DType::kBool, #label); }) \
          .constant()                                                                                  \
          .batch(batch_elementwise)                                                                    \
          .run([](Inputs in, const Array& out, Attrs) { compare(CompareOp::k##Op, in[0], in[1], out); });
FL_COMPARE_OPS(FL_ROW)
#undef FL_ROW

constexpr Unbatched with_derivative(const Underived& row, IntegerOp op) {
  // z = x - q y with a whole q: dz/dx = 1, dz/dy = -q.
  if (op == IntegerOp::kRemainder)
    return row.vjp(
        [](Pullback& p) {
          if (p.wants(0)) p.gin[0] = p.g;
          if (p.wants(1)) p.gin[1] = -p.g * floor_divide(p.in[0], p.in[1]);
        },
        kReadsA | kReadsB);
  if (op == IntegerOp::kFmod)
    return row.vjp(
        [](Pullback& p) {
          if (p.wants(0)) p.gin[0] = p.g;
          if (p.wants(1)) p.gin[1] = -p.g * round((p.in[0] - p.out) / p.in[1]);
        },
        kReadsA | kReadsB | kReadsOut);
  return row.constant();
}

#define FL_ROW(Op, label)                                                                                              \
  constexpr Primitive k##Op =                                                                                          \
      with_derivative(primitive(#label, [](Inputs in, Attrs) { return elementwise_layout(in, in[0].dtype, #label); }), \
                      IntegerOp::k##Op)                                                                                \
          .batch(batch_elementwise)                                                                                    \
          .run([](Inputs in, const Array& out, Attrs) { integer(IntegerOp::k##Op, in[0], in[1], out); });
FL_INTEGER_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, label)                                                                              \
  constexpr Primitive k##Op =                                                                          \
      primitive(#label, [](Inputs in, Attrs) { return elementwise_layout(in, DType::kBool, #label); }) \
          .constant()                                                                                  \
          .batch(batch_elementwise)                                                                    \
          .run([](Inputs in, const Array& out, Attrs) { test(TestOp::k##Op, in[0], out); });
FL_TEST_OPS(FL_ROW)
#undef FL_ROW

constexpr Primitive kWhere = primitive("where",
                                       [](Inputs in, Attrs) {
                                         Layout out = elementwise_layout(in, in[1].dtype, "where", 1);
                                         const Dims shape = broadcast(out.shape, in[0].shape, "where");
                                         if (shape != out.shape) out.shape = shape, out.strides = row_major(shape);
                                         return out;
                                       })
                                 .vjp(
                                     [](Pullback& p) {
                                       const Var zero = astype(Var(0), p.g.dtype());
                                       if (p.wants(1)) p.gin[1] = where(p.in[0], p.g, zero);
                                       if (p.wants(2)) p.gin[2] = where(p.in[0], zero, p.g);
                                     },
                                     kReadsA)
                                 .batch(batch_elementwise)
                                 .run([](Inputs in, const Array& out, Attrs) { where(in[0], in[1], in[2], out); });

struct CastAttrs {
  DType to, from;
  FL_FIELDS(to, from);
};
constexpr Primitive kCast =
    primitive("astype", [](Inputs in, Attrs a) { return elementwise_layout(in, a.as<CastAttrs>().to, "astype"); })
        .vjp([](Pullback& p) { p.gin[0] = astype(p.g, p.attrs.as<CastAttrs>().from); }, kReadsNone)
        .batch(batch_elementwise)
        .run([](Inputs in, const Array& out, Attrs) { cast(in[0], out); });

// A plain number in another dtype, without the way over strides that cast takes.
Array number_as(const Array& x, DType dtype) {
  if (x.dtype == DType::kFloat64) return Array::scalar(*x.as<double>(), dtype);
  if (x.dtype == DType::kInt64) return Array::scalar(*x.as<int64_t>(), dtype);
  Array out = Array::empty({}, dtype);
  cast(x, out);
  return out;
}

// What two weak values make is weak.
Var weakened(Var out, const Var& x, const Var& y) {
  if (!x.weak() || !y.weak()) return out;
  return Var(out.array(), nullptr, out.value(), true);
}

Var call(const Primitive& primitive, const Var& x, const Var& y, DType dtype) {
  const Var* in[] = {&x, &y};
  Var converted[2];
  for (int i = 0; i < 2; ++i)
    if (in[i]->dtype() != dtype) in[i] = &(converted[i] = astype(*in[i], dtype));
  return weakened(apply(primitive, in, 2, {}), x, y);
}

// Of a plain number in double: rounding waits for the array that it meets.
Var call(const Primitive& primitive, const Var& x) {
  if (!x.weak()) return apply(primitive, {to_float(x)});
  return weakened(apply(primitive, {detach(to(x, DType::kFloat64))}), x, x);
}

template <class F>
Var call_binary(const Primitive& whole, const Var& x, const Var& y) {
  const DType dtype = common(x, y);
  if (!is_float(dtype)) return call(whole, x, y, dtype);
  return call(kBinary<F>, x, y, dtype);
}

}  // namespace

DType common(const Var& x, const Var& y) {
  if (x.weak() && y.weak())
    return is_float(x.dtype()) || is_float(y.dtype()) ? DType::kFloat64 : promote(x.dtype(), y.dtype());
  if (x.weak() || y.weak()) {
    const DType number = x.weak() ? x.dtype() : y.dtype(), array = x.weak() ? y.dtype() : x.dtype();
    if (is_float(array) || number == DType::kBool) return array;
    if (is_float(number)) return default_dtype();
    return array == DType::kBool ? number : array;
  }
  return promote(x.dtype(), y.dtype());
}

#define FL_ROW(Formula, label, reads)                                                                          \
  Var label(const Var& x) {                                                                                    \
    constexpr bool kWhole = UnaryOp::k##Formula == UnaryOp::kFloor || UnaryOp::k##Formula == UnaryOp::kCeil || \
                            UnaryOp::k##Formula == UnaryOp::kTrunc || UnaryOp::k##Formula == UnaryOp::kRound;  \
    if (!is_float(x.dtype())) {                                                                                \
      const Var zero = astype(Var(0), x.dtype()), one = astype(Var(1), x.dtype());                             \
      if constexpr (kWhole) return x;                                                                          \
      if constexpr (UnaryOp::k##Formula == UnaryOp::kNegative) return zero - x;                                \
      if constexpr (UnaryOp::k##Formula == UnaryOp::kSquare) return x * x;                                     \
      if constexpr (UnaryOp::k##Formula == UnaryOp::kAbs) return where(less(x, zero), zero - x, x);            \
      if constexpr (UnaryOp::k##Formula == UnaryOp::kSign)                                                     \
        return where(less(x, zero), zero - one, astype(greater(x, zero), x.dtype()));                          \
      if constexpr (UnaryOp::k##Formula == UnaryOp::kRelu) return maximum(x, zero);                            \
    }                                                                                                          \
    return call(kUnary<taped::Formula>, x);                                                                    \
  }
FL_UNARY_OPS(FL_ROW)
#undef FL_ROW

Var add(const Var& x, const Var& y) { return call_binary<taped::Add>(kIntAdd, x, y); }
Var subtract(const Var& x, const Var& y) { return call_binary<taped::Subtract>(kIntSubtract, x, y); }
Var multiply(const Var& x, const Var& y) { return call_binary<taped::Multiply>(kIntMultiply, x, y); }
Var maximum(const Var& x, const Var& y) { return call_binary<taped::Maximum>(kIntMaximum, x, y); }
Var minimum(const Var& x, const Var& y) { return call_binary<taped::Minimum>(kIntMinimum, x, y); }
Var power(const Var& x, const Var& y) { return call_binary<taped::Power>(kIntPower, x, y); }
Var divide(const Var& x, const Var& y) {
  const DType dtype = common(x, y);
  return call(kBinary<taped::Divide>, x, y, is_float(dtype) ? dtype : default_dtype());
}
#define FL_ROW(Op, label) \
  Var label(const Var& x, const Var& y) { return call(k##Op, x, y, common(x, y)); }
FL_COMPARE_OPS(FL_ROW)
FL_INTEGER_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, label) \
  Var label(const Var& x) { return apply(k##Op, {x}); }
FL_TEST_OPS(FL_ROW)
#undef FL_ROW

Var where(const Var& condition, const Var& x, const Var& y) {
  const DType dtype = common(x, y);
  return weakened(apply(kWhere, {to(condition, DType::kBool), to(x, dtype), to(y, dtype)}), x, y);
}

Var settle(Var x) {
  if (!x.weak()) return x;
  return detach(astype(x, is_float(x.dtype()) ? default_dtype() : x.dtype()));
}

Var astype(const Var& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if (x.weak() && x.array().buffer && x.shape().empty()) {  // a number stays a number: nothing to record or trace
    return weak(number_as(x.array(), dtype));
  }
  return apply(kCast, {is_float(x.dtype()) && is_float(dtype) ? x : detach(x)}, CastAttrs{dtype, x.dtype()});
}

}  // namespace fallline
