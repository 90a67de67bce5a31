// The table of primitives: shape, kernel and derivative of every op.
//
// A derivative is written in recorded functions, so that derivatives of every order follow. Broadcasting is undone
// once, in backward.cpp. The rules of elementwise ops come from the formula files.
#include "autograd/primitives.h"

#include "autograd/functions.h"
#include "ops/matmul.h"
#include "ops/move.h"
#include "ops/random.h"
#include "ops/reduce.h"

namespace fallline {

// The formulas with X = Var.
namespace taped {
using namespace fallline;  // NOLINT: the formula files name no namespace
#undef FL_FN
#define FL_FN inline
using X = Var;
#include "ops/unary.inc.h"
#include "ops/binary.inc.h"
}  // namespace taped

namespace {

// ----- shapes -----

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

Layout view_of(Inputs in) {
  Layout layout = in[0].layout();
  layout.alias = 0;
  return layout;
}

}  // namespace

Layout like_first(Inputs in, const Attrs&) {
  Layout out = in[0].layout();
  out.strides = is_dense(out.shape, out.strides) ? out.strides : row_major(out.shape);
  return out;
}

namespace {

// ----- elementwise: everything comes from the formula -----

template <class Formula>
struct Row;  // name and table index of a formula
#define FL_ROW(Formula, label, reads)                  \
  template <>                                          \
  struct Row<taped::Formula> {                         \
    static constexpr const char* name = #label;        \
    static constexpr UnaryOp op = UnaryOp::k##Formula; \
    static constexpr uint32_t keeps = reads;           \
  };
FL_UNARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Formula, label, reads_a, reads_b)                                                   \
  template <>                                                                                      \
  struct Row<taped::Formula> {                                                                     \
    static constexpr const char* name = #label;                                                    \
    static constexpr BinaryOp op = BinaryOp::k##Formula;                                           \
    static constexpr uint32_t keeps = (reads_a) | (reads_b), keeps_a = reads_a, keeps_b = reads_b; \
  };
FL_BINARY_OPS(FL_ROW)
#undef FL_ROW

// `x` in the memory order of `like`, so that kernels over consecutive elements may be used.
Array in_order_of(const Array& x, const Array& like) {
  if (x.shape == like.shape && x.strides == like.strides) return x;
  Array out = Array::empty(like.shape, like.dtype);
  out.strides = like.strides;
  cast(x, out);
  return out;
}

// g * df(x, y) in one kernel: the fast form of a rule, used while the gradient itself is not recorded. Its bits equal
// those of the recorded form.
template <class F>
constexpr Primitive kUnaryGrad = {Row<F>::name, like_first,
                                  [](Inputs in, const Array& out, const Attrs&) {
                                    unary_grad(Row<F>::op, in_order_of(in[0], out), in_order_of(in[1], out),
                                               in_order_of(in[2], out), out);
                                  },
                                  nullptr, kReadsNone};

template <class F>
constexpr Primitive kUnary = {Row<F>::name, like_first,
                              [](Inputs in, const Array& out, const Attrs&) { unary(Row<F>::op, in[0], out); },
                              [](Pullback& p) {
                                const Var &x = p.in[0], &y = p.out;
                                if (recording()) {
                                  p.gin[0] = p.g * F::df(x, y);
                                } else {
                                  const Var& other = x ? x : (y ? y : p.g);
                                  p.gin[0] = apply(kUnaryGrad<F>, {p.g, x ? x : other, y ? y : other});
                                }
                              },
                              Row<F>::keeps};

template <class F, int kArgument>
constexpr Primitive kBinaryGrad = {Row<F>::name, like_first,
                                   [](Inputs in, const Array& out, const Attrs&) {
                                     binary_grad(Row<F>::op, kArgument, in_order_of(in[0], out),
                                                 in_order_of(in[1], out), in_order_of(in[2], out),
                                                 in_order_of(in[3], out), out);
                                   },
                                   nullptr, kReadsNone};

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
      const auto operand = [&](uint32_t bit, const Var& v) { return kReads & bit ? v : p.g; };
      p.gin[kArgument] =
          apply(kBinaryGrad<F, kArgument>, {p.g, operand(kReadsA, x), operand(kReadsB, y), operand(kReadsOut, z)});
    }
  }
}

template <class F>
constexpr Primitive kBinary = {
    Row<F>::name, [](Inputs in, const Attrs&) { return elementwise_layout(in, in[0].dtype, Row<F>::name); },
    [](Inputs in, const Array& out, const Attrs&) { binary(Row<F>::op, in[0], in[1], out); },
    [](Pullback& p) {
      pull_binary<F, 0>(p);
      pull_binary<F, 1>(p);
    },
    Row<F>::keeps};

// ----- elementwise without derivatives -----

#define FL_ROW(Op, label)                                                                                       \
  constexpr Primitive k##Op = {                                                                                 \
      #label, [](Inputs in, const Attrs&) { return elementwise_layout(in, DType::kBool, #label); },             \
      [](Inputs in, const Array& out, const Attrs&) { compare(CompareOp::k##Op, in[0], in[1], out); }, nullptr, \
      kReadsNone};
FL_COMPARE_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, label)                                                                                       \
  constexpr Primitive k##Op = {                                                                                 \
      #label, [](Inputs in, const Attrs&) { return elementwise_layout(in, in[0].dtype, #label); },              \
      [](Inputs in, const Array& out, const Attrs&) { integer(IntegerOp::k##Op, in[0], in[1], out); }, nullptr, \
      kReadsNone};
FL_INTEGER_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, label)                                                                           \
  constexpr Primitive k##Op = {                                                                     \
      #label, [](Inputs in, const Attrs&) { return elementwise_layout(in, DType::kBool, #label); }, \
      [](Inputs in, const Array& out, const Attrs&) { test(TestOp::k##Op, in[0], out); }, nullptr, kReadsNone};
FL_TEST_OPS(FL_ROW)
#undef FL_ROW

constexpr Primitive kWhere = {"where",
                              [](Inputs in, const Attrs&) {
                                Layout out = elementwise_layout(in, in[1].dtype, "where", 1);
                                const Dims shape = broadcast(out.shape, in[0].shape, "where");
                                if (shape != out.shape) out.shape = shape, out.strides = row_major(shape);
                                return out;
                              },
                              [](Inputs in, const Array& out, const Attrs&) { where(in[0], in[1], in[2], out); },
                              [](Pullback& p) {
                                const Var zero = astype(Var(0), p.g.dtype());
                                if (p.wants(1)) p.gin[1] = where(p.in[0], p.g, zero);
                                if (p.wants(2)) p.gin[2] = where(p.in[0], zero, p.g);
                              },
                              kReadsA};

constexpr Primitive kCast = {  // dtype: the new one; integer: the old one, for the way back
    "astype", [](Inputs in, const Attrs& a) { return elementwise_layout(in, a.dtype, "astype"); },
    [](Inputs in, const Array& out, const Attrs&) { cast(in[0], out); },
    [](Pullback& p) { p.gin[0] = astype(p.g, static_cast<DType>(p.attrs.integer)); }, kReadsNone};

constexpr Primitive kCopy = {"copy",
                             [](Inputs in, const Attrs&) {
                               return Layout{in[0].dtype, in[0].shape, -1, 0, row_major(in[0].shape)};
                             },
                             [](Inputs in, const Array& out, const Attrs&) { cast(in[0], out); },
                             [](Pullback& p) { p.gin[0] = p.g; }, kReadsNone};

// ----- reductions: dims = axes (sorted), flag = keepdims -----

Layout reduced(Inputs in, const Attrs& a, DType dtype) {
  Layout out;
  out.dtype = dtype;
  for (int i = 0; i < in[0].ndim(); ++i) {
    if (!a.dims.contains(i))
      out.shape.push_back(in[0].shape[i]);
    else if (a.flag)
      out.shape.push_back(1);
  }
  return out;
}
Layout reduced_same(Inputs in, const Attrs& a) { return reduced(in, a, in[0].dtype); }
Layout reduced_index(Inputs in, const Attrs& a) { return reduced(in, a, DType::kInt64); }
// NumPy sums small integers and bool in 64 bits.
Layout reduced_sum(Inputs in, const Attrs& a) {
  const DType d = in[0].dtype;
  return reduced(in, a, is_float(d) ? d : is_unsigned(d) ? DType::kUint64 : DType::kInt64);
}
template <ReduceOp op>
void eval_reduce(Inputs in, const Array& out, const Attrs& a) {
  reduce(op, in[0], a.dims, out);
}

// A reduced array with its axes back as length 1, so that it broadcasts against the input.
Var restored(const Var& y, const Dims& axes, const Dims& in_shape) {
  Dims shape = in_shape;
  for (int64_t axis : axes) shape[static_cast<int>(axis)] = 1;
  return reshape(y, shape);
}

constexpr Primitive kSum = {
    "sum", reduced_sum, eval_reduce<ReduceOp::kSum>,
    [](Pullback& p) { p.gin[0] = broadcast_to(restored(p.g, p.attrs.dims, p.in_shape[0]), p.in_shape[0]); },
    kReadsNone};

// Equal extremes share the gradient equally.
void pull_extreme(Pullback& p) {
  const Dims& shape = p.in_shape[0];
  const Var chosen = astype(equal(p.in[0], restored(p.out, p.attrs.dims, shape)), p.g.dtype());
  const Var share = restored(p.g, p.attrs.dims, shape) / sum(chosen, p.attrs.dims, true);
  p.gin[0] = chosen * share;
}
constexpr Primitive kMax = {"max", reduced_same, eval_reduce<ReduceOp::kMax>, pull_extreme, kReadsX | kReadsY};
constexpr Primitive kMin = {"min", reduced_same, eval_reduce<ReduceOp::kMin>, pull_extreme, kReadsX | kReadsY};
constexpr Primitive kLogsumexp = {"logsumexp", reduced_same, eval_reduce<ReduceOp::kLogsumexp>,
                                  [](Pullback& p) {
                                    const Dims& shape = p.in_shape[0];
                                    p.gin[0] = restored(p.g, p.attrs.dims, shape) *
                                               exp(p.in[0] - restored(p.out, p.attrs.dims, shape));
                                  },
                                  kReadsX | kReadsY};
constexpr Primitive kArgmax = {"argmax", reduced_index, eval_reduce<ReduceOp::kArgmax>, nullptr, kReadsNone};
constexpr Primitive kArgmin = {"argmin", reduced_index, eval_reduce<ReduceOp::kArgmin>, nullptr, kReadsNone};

// ----- matrix product -----

constexpr Primitive kMatmul = {
    "matmul",
    [](Inputs in, const Attrs&) {
      const Array &x = in[0], &y = in[1];
      if (x.shape.back() != y.shape[y.ndim() - 2])
        throw ShapeError("[matmul] inner sizes differ: " + to_string(x.shape) + " @ " + to_string(y.shape));
      Dims bx, by;
      for (int i = 0; i + 2 < x.ndim(); ++i) bx.push_back(x.shape[i]);
      for (int i = 0; i + 2 < y.ndim(); ++i) by.push_back(y.shape[i]);
      Layout out;
      out.dtype = x.dtype;
      out.shape = broadcast(bx, by, "matmul");
      out.shape.push_back(x.shape[x.ndim() - 2]);
      out.shape.push_back(y.shape.back());
      return out;
    },
    [](Inputs in, const Array& out, const Attrs&) { matmul(in[0], in[1], nullptr, out); },
    [](Pullback& p) {
      if (p.wants(0)) p.gin[0] = matmul(p.g, transpose(p.in[1]));
      if (p.wants(1)) p.gin[1] = matmul(transpose(p.in[0]), p.g);
    },
    kReadsA | kReadsB};

constexpr Primitive kLinear = {  // x (n, in), weight (out, in), bias (out,)
    "linear",
    [](Inputs in, const Attrs&) {
      return Layout{in[0].dtype, {in[0].shape[0], in[1].shape[0]}, -1, 0, {in[1].shape[0], 1}};
    },
    [](Inputs in, const Array& out, const Attrs&) {
      Layout turned = in[1].layout();
      std::swap(turned.shape[0], turned.shape[1]);
      std::swap(turned.strides[0], turned.strides[1]);
      const Array bias = contiguous(in[2]);
      matmul(in[0], in[1].view(turned), &bias, out);
    },
    [](Pullback& p) {
      if (p.wants(0)) p.gin[0] = matmul(p.g, p.in[1]);
      if (p.wants(1)) p.gin[1] = transpose(matmul(transpose(p.in[0]), p.g));  // in the memory order of a layer's weight
      if (p.wants(2)) p.gin[2] = sum(p.g, {0}, false);
    },
    kReadsA | kReadsB};

// ----- views: the output shares the input's memory -----

constexpr Primitive kReshape = {  // dims: the new shape
    "reshape",
    [](Inputs in, const Attrs& a) {
      Layout out = view_of(in);
      out.shape = a.dims;
      if (!reshape_strides(in[0].shape, in[0].strides, a.dims, out.strides))
        out.alias = -1, out.strides = row_major(a.dims);
      return out;
    },
    [](Inputs in, const Array& out, const Attrs&) {  // only where no view shows the elements in this order
      Layout as_input = out.layout();
      as_input.shape = in[0].shape;
      as_input.strides = row_major(in[0].shape);
      cast(in[0], out.view(as_input));
    },
    [](Pullback& p) { p.gin[0] = reshape(p.g, p.in_shape[0]); }, kReadsNone};

constexpr Primitive kPermute = {  // dims: axis i of the output is axis dims[i] of the input
    "transpose",
    [](Inputs in, const Attrs& a) {
      Layout out = view_of(in);
      for (int i = 0; i < a.dims.size(); ++i) {
        out.shape[i] = in[0].shape[static_cast<int>(a.dims[i])];
        out.strides[i] = in[0].strides[static_cast<int>(a.dims[i])];
      }
      return out;
    },
    nullptr,
    [](Pullback& p) {
      Dims back = p.attrs.dims;
      for (int i = 0; i < back.size(); ++i) back[static_cast<int>(p.attrs.dims[i])] = i;
      p.gin[0] = permute(p.g, back);
    },
    kReadsNone};

constexpr Primitive kBroadcast = {  // dims: the new shape
    "broadcast_to",
    [](Inputs in, const Attrs& a) {
      Layout out = view_of(in);
      out.shape = a.dims;
      out.strides = broadcast_strides(in[0].shape, in[0].strides, a.dims);
      return out;
    },
    nullptr, [](Pullback& p) { p.gin[0] = p.g; }, kReadsNone};

constexpr Primitive kUnslice = {  // zeros of shape `dims` with the input placed at `starts`, `steps` apart
    "unslice",
    [](Inputs in, const Attrs& a) {
      return Layout{in[0].dtype, a.dims, -1, 0, row_major(a.dims)};
    },
    [](Inputs in, const Array& out, const Attrs& a) {
      fill_zero(out);
      Layout part = out.layout();
      part.shape = in[0].shape;
      for (int i = 0; i < out.ndim(); ++i) {
        part.offset += a.starts[i] * out.strides[i];
        part.strides[i] = a.steps[i] * out.strides[i];
      }
      cast(in[0], out.view(part));
    },
    [](Pullback& p) { p.gin[0] = slice(p.g, p.attrs.starts, p.in_shape[0], p.attrs.steps); }, kReadsNone};

constexpr Primitive kSlice = {  // starts, steps, and dims: lengths
    "slice",
    [](Inputs in, const Attrs& a) {
      Layout out = view_of(in);
      out.shape = a.dims;
      for (int i = 0; i < a.dims.size(); ++i) {
        out.offset += a.dims[i] ? a.starts[i] * in[0].strides[i] : 0;
        out.strides[i] = a.steps[i] * in[0].strides[i];
      }
      return out;
    },
    nullptr,
    [](Pullback& p) {
      Attrs attrs = p.attrs;
      attrs.dims = p.in_shape[0];
      p.gin[0] = apply(kUnslice, {p.g}, attrs);
    },
    kReadsNone};

// ----- gather, scatter, join: integer = axis -----

Layout gathered(const Dims& shape, DType dtype, int64_t axis, int64_t length) {
  Layout out{dtype, shape, -1, 0, {}};
  out.shape[static_cast<int>(axis)] = length;
  return out;
}

extern const Primitive kScatterAdd;
constexpr Primitive kTake = {
    "take", [](Inputs in, const Attrs& a) { return gathered(in[0].shape, in[0].dtype, a.integer, in[1].shape[0]); },
    [](Inputs in, const Array& out, const Attrs& a) {
      check_indices(in[1], in[0].shape[static_cast<int>(a.integer)], "take");
      take(in[0], in[1], static_cast<int>(a.integer), out);
    },
    [](Pullback& p) {
      if (!p.wants(0)) return;
      Attrs attrs = p.attrs;
      attrs.dims = {p.in_shape[0][static_cast<int>(p.attrs.integer)]};
      p.gin[0] = apply(kScatterAdd, {p.g, p.in[1]}, attrs);
    },
    kReadsB};
const Primitive kScatterAdd = {  // dims: {the length of the axis}
    "scatter_add", [](Inputs in, const Attrs& a) { return gathered(in[0].shape, in[0].dtype, a.integer, a.dims[0]); },
    [](Inputs in, const Array& out, const Attrs& a) { scatter_add(in[0], in[1], static_cast<int>(a.integer), out); },
    [](Pullback& p) {
      if (p.wants(0)) p.gin[0] = apply(kTake, {p.g, p.in[1]}, p.attrs);
    },
    kReadsB};

constexpr Primitive kConcatenate = {"concatenate",
                                    [](Inputs in, const Attrs& a) {
                                      int64_t length = 0;
                                      for (int i = 0; i < in.count; ++i) {
                                        Dims other = in[i].shape;
                                        if (other.size() == in[0].ndim())
                                          other[static_cast<int>(a.integer)] = in[0].shape[static_cast<int>(a.integer)];
                                        if (other != in[0].shape)
                                          throw ShapeError("[concatenate] shapes differ outside of axis " +
                                                           std::to_string(a.integer) + ": " + to_string(in[0].shape) +
                                                           " and " + to_string(in[i].shape));
                                        length += in[i].shape[static_cast<int>(a.integer)];
                                      }
                                      return gathered(in[0].shape, in[0].dtype, a.integer, length);
                                    },
                                    [](Inputs in, const Array& out, const Attrs& a) {
                                      std::vector<Array> parts;
                                      for (int i = 0; i < in.count; ++i) parts.push_back(in[i]);
                                      concatenate(parts.data(), in.count, static_cast<int>(a.integer), out);
                                    },
                                    [](Pullback& p) {
                                      const int axis = static_cast<int>(p.attrs.integer);
                                      const int n = p.g.shape().size();
                                      Dims starts = Dims::filled(n, 0);
                                      const int64_t total = p.g.shape()[axis];
                                      for (int i = 0; starts[axis] < total; ++i) {
                                        const Dims& part = p.in_shape[i];
                                        if (i > 31 || p.wants(i))
                                          p.gin[i] = slice(p.g, starts, part, Dims::filled(n, 1));
                                        starts[axis] += part[axis];
                                      }
                                    },
                                    kReadsNone};

constexpr Primitive kDropout = {  // number: the rate; integer: the stream
    "dropout", like_first,
    [](Inputs in, const Array& out, const Attrs& a) {
      const uint64_t* key = in[1].as<uint64_t>();
      random_dropout(derive_key(derive_key(key[0], key[1]), static_cast<uint64_t>(a.integer)), 0, 1 - a.number, out);
      binary(BinaryOp::kMultiply, in[0], out, out);
    },
    [](Pullback& p) { p.gin[0] = dropout(p.g, p.in[1], p.attrs.number, p.attrs.integer); },  // the same factors again
    kReadsB};

// ----- helpers of the functions below -----

Var to(const Var& x, DType dtype) { return x.dtype() == dtype ? x : astype(x, dtype); }
Var detach_if_weak(const Var& x) { return x.weak() ? detach(x) : x; }
Var to_float(const Var& x) { return is_float(x.dtype()) && !x.weak() ? x : detach_if_weak(to(x, default_dtype())); }

// The dtype that two arguments meet in; a plain number follows the array.
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

// What two weak values make is weak.
Var weakened(const Var& out, const Var& x, const Var& y) {
  return x.weak() && y.weak() ? Var(out.array(), nullptr, out.value(), true) : out;
}

Var call(const Primitive& primitive, const Var& x, const Var& y, DType dtype) {
  return weakened(apply(primitive, {to(x, dtype), to(y, dtype)}), x, y);
}

template <class F>
Var call_binary(const Primitive& whole, const Var& x, const Var& y) {
  const DType dtype = common(x, y);
  if (!is_float(dtype)) return call(whole, x, y, dtype);
  return call(kBinary<F>, x, y, dtype);
}

}  // namespace

// ----- the public functions -----

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
    return apply(kUnary<taped::Formula>, {to_float(x)});                                                       \
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

Var astype(const Var& x, DType dtype) {
  if (x.dtype() == dtype) return x;
  if (x.weak() && x.array().buffer && x.shape().empty()) {  // a number stays a number: nothing to record or trace
    Array out = Array::empty({}, dtype);
    cast(x.array(), out);
    return weak(std::move(out));
  }
  Attrs attrs;
  attrs.dtype = dtype;
  attrs.integer = static_cast<int64_t>(x.dtype());
  return apply(kCast, {is_float(x.dtype()) && is_float(dtype) ? x : detach(x)}, attrs);
}

Var copy(const Var& x) { return apply(kCopy, {x}); }

Dims all_axes(const Var& x) {
  Dims axes;
  for (int i = 0; i < x.shape().size(); ++i) axes.push_back(i);
  return axes;
}

namespace {
Attrs along(const Dims& axes, bool keepdims) {
  Attrs attrs;
  attrs.dims = axes;
  attrs.flag = keepdims;
  return attrs;
}
void check_not_empty(const Var& x, const Dims& axes, const char* op) {
  for (int64_t axis : axes)
    if (x.shape()[static_cast<int>(axis)] == 0)
      throw ShapeError("[" + std::string(op) + "] axis " + std::to_string(axis) +
                       " has no elements: " + to_string(x.shape()));
}
}  // namespace

Var sum(const Var& x, const Dims& axes, bool keepdims) { return apply(kSum, {x}, along(axes, keepdims)); }
Var mean(const Var& x, const Dims& axes, bool keepdims) {
  const Var y = to_float(x);
  double n = 1;
  for (int64_t axis : axes) n *= static_cast<double>(y.shape()[static_cast<int>(axis)]);
  return sum(y, axes, keepdims) / Var(n);
}
Var amax(const Var& x, const Dims& axes, bool keepdims) {
  check_not_empty(x, axes, "max");
  return apply(kMax, {x}, along(axes, keepdims));
}
Var amin(const Var& x, const Dims& axes, bool keepdims) {
  check_not_empty(x, axes, "min");
  return apply(kMin, {x}, along(axes, keepdims));
}
Var logsumexp(const Var& x, const Dims& axes, bool keepdims) {
  return apply(kLogsumexp, {to_float(x)}, along(axes, keepdims));
}
Var argmax(const Var& x, int axis, bool keepdims) {
  check_not_empty(x, {axis}, "argmax");
  return apply(kArgmax, {x}, along({axis}, keepdims));
}
Var argmin(const Var& x, int axis, bool keepdims) {
  check_not_empty(x, {axis}, "argmin");
  return apply(kArgmin, {x}, along({axis}, keepdims));
}

Var matmul(const Var& x, const Var& y) {
  if (x.shape().empty() || y.shape().empty())
    throw ShapeError("[matmul] takes arrays with at least one axis, got " + to_string(x.shape()) + " @ " +
                     to_string(y.shape()) + "; use * for a number");
  DType dtype = common(x, y);
  const bool whole = !is_float(dtype);
  const DType meet = whole ? DType::kFloat64 : dtype;  // exact up to 2^53
  Var a = to(x, meet), b = to(y, meet);
  const bool row = a.shape().size() == 1, column = b.shape().size() == 1;
  if (row) a = reshape(a, {1, a.shape()[0]});
  if (column) b = reshape(b, {b.shape()[0], 1});
  Var out = apply(kMatmul, {a, b});
  if (row || column) {
    Dims shape;
    const int n = out.shape().size();
    for (int i = 0; i < n; ++i)
      if (!(row && i == n - 2) && !(column && i == n - 1)) shape.push_back(out.shape()[i]);
    out = reshape(out, shape);
  }
  return whole ? astype(out, dtype) : out;
}

Var linear(const Var& x, const Var& weight, const Var& bias) {
  if (x.shape().empty() || weight.shape().size() != 2 || x.shape().back() != weight.shape()[1])
    throw ShapeError("[linear] expected x (..., in) and weight (out, in), got " + to_string(x.shape()) + " and " +
                     to_string(weight.shape()));
  if (!bias) return matmul(x, transpose(weight));
  if (bias.shape() != Dims{weight.shape()[0]})
    throw ShapeError("[linear] expected a bias of shape (" + std::to_string(weight.shape()[0]) + ",), got " +
                     to_string(bias.shape()));
  const DType dtype = promote(promote(settle(x).dtype(), weight.dtype()), bias.dtype());
  const DType meet = is_float(dtype) ? dtype : default_dtype();
  const Var rows = reshape(to(x, meet), {-1, weight.shape()[1]});
  const Var out = apply(kLinear, {rows, to(weight, meet), to(bias, meet)});
  Dims shape = x.shape();
  shape[shape.size() - 1] = weight.shape()[0];
  return reshape(out, shape);
}

Var transpose(const Var& x) {
  Dims axes = all_axes(x);
  const int n = axes.size();
  if (n < 2) throw ShapeError("[transpose] needs at least two axes, got " + to_string(x.shape()));
  std::swap(axes[n - 1], axes[n - 2]);
  return permute(x, axes);
}

Var reshape(const Var& x, const Dims& shape) {
  Attrs attrs;
  attrs.dims = shape;
  int64_t known = 1;
  int open = -1;
  for (int i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open < 0)
      open = i;
    else
      known *= shape[i];
  }
  const int64_t n = x.array().size();
  if (open >= 0 && known > 0 && n % known == 0) attrs.dims[open] = n / known;
  if (count(attrs.dims) != n || (open >= 0 && attrs.dims[open] < 0))
    throw ShapeError("[reshape] cannot show " + to_string(x.shape()) + " (" + std::to_string(n) + " elements) as " +
                     to_string(shape));
  if (attrs.dims == x.shape()) return x;
  return apply(kReshape, {x}, attrs);
}

Var permute(const Var& x, const Dims& axes) {
  Attrs attrs;
  attrs.dims = axes;
  return apply(kPermute, {x}, attrs);
}

Var broadcast_to(const Var& x, const Dims& shape) {
  if (x.shape() == shape) return x;
  if (broadcast(x.shape(), shape, "broadcast_to") != shape)
    throw ShapeError("[broadcast_to] " + to_string(x.shape()) + " does not broadcast to " + to_string(shape));
  Attrs attrs;
  attrs.dims = shape;
  return apply(kBroadcast, {x}, attrs);
}

Var slice(const Var& x, const Dims& starts, const Dims& lengths, const Dims& steps) {
  Attrs attrs;
  attrs.dims = lengths;
  attrs.starts = starts;
  attrs.steps = steps;
  return apply(kSlice, {x}, attrs);
}

Var take(const Var& x, const Var& indices, int axis) {
  Attrs attrs;
  attrs.integer = axis;
  return apply(kTake, {x, indices}, attrs);
}

Var concatenate(const Vars& inputs, int axis) {
  if (inputs.empty()) throw ShapeError("[concatenate] needs at least one array");
  DType dtype = inputs[0].dtype();
  for (const Var& x : inputs) dtype = promote(dtype, x.dtype());
  Vars same_dtype;
  for (const Var& x : inputs) same_dtype.push_back(to(x, dtype));
  Attrs attrs;
  attrs.integer = axis;
  return apply(kConcatenate, same_dtype.data(), static_cast<int>(same_dtype.size()), attrs);
}

Var dropout(const Var& x, const Var& key, double rate, int64_t stream) {
  Attrs attrs;
  attrs.number = rate;
  attrs.integer = stream;
  return apply(kDropout, {x, key}, attrs);
}

Var sum_to(const Var& x, const Dims& shape) {
  const int extra = x.shape().size() - shape.size();
  Dims axes;
  for (int i = 0; i < x.shape().size(); ++i)
    if (i < extra || (shape[i - extra] == 1 && x.shape()[i] != 1)) axes.push_back(i);
  return reshape(axes.empty() ? x : sum(x, axes, true), shape);
}

namespace {
Var filled(const Dims& shape, DType dtype, double value) {
  return broadcast_to(Var(Array::scalar(value, dtype)), shape);
}
}  // namespace
Var zeros(const Dims& shape, DType dtype) { return filled(shape, dtype, 0); }
Var ones(const Dims& shape, DType dtype) { return filled(shape, dtype, 1); }

std::vector<const Primitive*> all_primitives() {
  return {
#define FL_ROW(Formula, name, reads) &kUnary<taped::Formula>,
      FL_UNARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Formula, name, reads_a, reads_b) &kBinary<taped::Formula>,
              FL_BINARY_OPS(FL_ROW)
#undef FL_ROW
          & kWhere,
      &kCast,
      &kCopy,
      &kSum,
      &kMax,
      &kMin,
      &kLogsumexp,
      &kMatmul,
      &kLinear,
      &kReshape,
      &kPermute,
      &kBroadcast,
      &kSlice,
      &kUnslice,
      &kTake,
      &kScatterAdd,
      &kConcatenate,
      &kDropout};
}

}  // namespace fallline
