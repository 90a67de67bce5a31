// Elementwise functions that have no derivative of their own kind and need no SIMD formula: comparisons, integer
// arithmetic, casts and selection. Plain loops over every dtype.
#ifndef FALLLINE_OPS_PLAIN_H_
#define FALLLINE_OPS_PLAIN_H_

#include "tensor/array.h"

namespace fallline {

// struct name in plain.cpp, public name; both arguments of one dtype, the result is bool.
#define FL_COMPARE_OPS(X)        \
  X(Equal, equal)                \
  X(NotEqual, not_equal)         \
  X(Less, less)                  \
  X(LessEqual, less_equal)       \
  X(Greater, greater)            \
  X(GreaterEqual, greater_equal) \
  X(LogicalAnd, logical_and)     \
  X(LogicalOr, logical_or)       \
  X(LogicalXor, logical_xor)

// Arithmetic without derivatives: integers and bool everywhere, floats where the comment in plain.cpp says so.
#define FL_INTEGER_OPS(X)          \
  X(IntAdd, int_add)               \
  X(IntSubtract, int_subtract)     \
  X(IntMultiply, int_multiply)     \
  X(IntMaximum, int_maximum)       \
  X(IntMinimum, int_minimum)       \
  X(IntPower, int_power)           \
  X(FloorDivide, floor_divide)     \
  X(Remainder, remainder)          \
  X(Fmod, fmod)                    \
  X(BitAnd, bitwise_and)           \
  X(BitOr, bitwise_or)             \
  X(BitXor, bitwise_xor)           \
  X(ShiftLeft, bitwise_left_shift) \
  X(ShiftRight, bitwise_right_shift)

// One argument, the result is bool.
#define FL_TEST_OPS(X)  \
  X(IsNan, isnan)       \
  X(IsInf, isinf)       \
  X(IsFinite, isfinite) \
  X(LogicalNot, logical_not)

enum class CompareOp : int {
#define FL_ROW(Op, name) k##Op,
  FL_COMPARE_OPS(FL_ROW)
};
enum class IntegerOp : int { FL_INTEGER_OPS(FL_ROW) };
enum class TestOp : int {
  FL_TEST_OPS(FL_ROW)
#undef FL_ROW
};

// Inputs broadcast to the output's shape; strides are free everywhere.
void compare(CompareOp op, const Array& x, const Array& y, const Array& out);
void integer(IntegerOp op, const Array& x, const Array& y, const Array& out);
void test(TestOp op, const Array& x, const Array& out);
void where(const Array& condition, const Array& x, const Array& y, const Array& out);  // condition is bool
void cast(const Array& x, const Array& out);  // also copies, and fills: as NumPy's astype; float to integer truncates

}  // namespace fallline

#endif  // FALLLINE_OPS_PLAIN_H_
