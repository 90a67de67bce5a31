// The public list of recorded functions: Var -> Var. Derivatives of every order and traced plans follow from the table
// of primitives behind them.
#ifndef FALLLINE_PRIMITIVES_FUNCTIONS_H_
#define FALLLINE_PRIMITIVES_FUNCTIONS_H_

#include "record/primitive.h"
#include "ops/elementwise.h"
#include "ops/plain.h"

namespace fallline {

// Elementwise; integers become the default float dtype except in negative, abs, sign, square and the roundings.
#define FL_ROW(Formula, name, reads) Var name(const Var& x);
FL_UNARY_OPS(FL_ROW)
#undef FL_ROW
// Elementwise with broadcasting and NumPy's promotion; divide and power of integers... see NumPy.
#define FL_ROW(Formula, name, reads_a, reads_b) Var name(const Var& x, const Var& y);
FL_BINARY_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, name) Var name(const Var& x, const Var& y);
FL_COMPARE_OPS(FL_ROW)
FL_INTEGER_OPS(FL_ROW)
#undef FL_ROW
#define FL_ROW(Op, name) Var name(const Var& x);
FL_TEST_OPS(FL_ROW)
#undef FL_ROW

inline Var operator+(const Var& x, const Var& y) { return add(x, y); }
inline Var operator-(const Var& x, const Var& y) { return subtract(x, y); }
inline Var operator*(const Var& x, const Var& y) { return multiply(x, y); }
inline Var operator/(const Var& x, const Var& y) { return divide(x, y); }
inline Var operator-(const Var& x) { return negative(x); }
inline Var operator<(const Var& x, const Var& y) { return less(x, y); }
inline Var operator<=(const Var& x, const Var& y) { return less_equal(x, y); }
inline Var operator>(const Var& x, const Var& y) { return greater(x, y); }
inline Var operator>=(const Var& x, const Var& y) { return greater_equal(x, y); }
inline Var operator==(const Var& x, const Var& y) { return equal(x, y); }
inline Var operator!=(const Var& x, const Var& y) { return not_equal(x, y); }
inline Var operator|(const Var& x, const Var& y) { return logical_or(x, y); }
inline Var operator&(const Var& x, const Var& y) { return logical_and(x, y); }
inline Var pow(const Var& x, const Var& y) { return power(x, y); }
inline Var max(const Var& x, const Var& y) { return maximum(x, y); }
inline Var min(const Var& x, const Var& y) { return minimum(x, y); }

Var where(const Var& condition, const Var& x, const Var& y);
inline Var select(const Var& condition, const Var& x, const Var& y) { return where(condition, x, y); }
Var astype(const Var& x, DType dtype);
Var settle(Var x);  // a weak value in the default dtype; anything else as it is

// Reductions; axes are normalized, all of them when `axes` is empty and `all`.
Var sum(const Var& x, const Dims& axes, bool keepdims);
// The sums of products over all axes but those `kept` in front, in float64.
Var inner(const Var& x, const Var& y, int kept);
Var mean(const Var& x, const Dims& axes, bool keepdims);
Var amax(const Var& x, const Dims& axes, bool keepdims);
Var amin(const Var& x, const Dims& axes, bool keepdims);
Var logsumexp(const Var& x, const Dims& axes, bool keepdims);
Var argmax(const Var& x, int axis, bool keepdims);
Var argmin(const Var& x, int axis, bool keepdims);
Dims all_axes(const Var& x);

Var matmul(const Var& x, const Var& y);  // NumPy's: vectors and batches included
Var transpose(const Var& x);             // the last two axes
// x @ weight^T + bias: x (..., in), weight (out, in), bias (out,) or empty.
Var linear(const Var& x, const Var& weight, const Var& bias);

// x (n, c, h, w), weight (out, c / groups, kh, kw), bias (out,) or empty; stride and dilation for (height, width);
// padding for (top, bottom, left, right).
Var conv2d(const Var& x, const Var& weight, const Var& bias, const Dims& stride, const Dims& padding,
           const Dims& dilation, int64_t groups);
// Over windows of `size`, all for (height, width); padding on both sides.
Var max_pool2d(const Var& x, const Dims& size, const Dims& stride, const Dims& padding);
Var avg_pool2d(const Var& x, const Dims& size, const Dims& stride, const Dims& padding);

Var reshape(const Var& x, const Dims& shape);  // one length may be -1
Var permute(const Var& x, const Dims& axes);
Var broadcast_to(const Var& x, const Dims& shape);
Var slice(const Var& x, const Dims& starts, const Dims& lengths, const Dims& steps);  // in range; steps may be negative
Var take(const Var& x, const Var& indices, int axis);                                 // indices are 1-d int64
Var argsort(const Var& x, int axis);                                                  // int64
Var concatenate(const Vars& inputs, int axis);
Var copy(const Var& x);  // row-major, own memory

// The sum of x down to `shape`, the reverse of broadcasting.
Var sum_to(const Var& x, const Dims& shape);
Var zeros(const Dims& shape, DType dtype);
Var ones(const Dims& shape, DType dtype);

}  // namespace fallline

#endif  // FALLLINE_PRIMITIVES_FUNCTIONS_H_
