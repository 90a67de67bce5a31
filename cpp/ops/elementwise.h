// Which elementwise functions exist?  The op tables, and the functions that run a row of them over arrays.
#ifndef FALLLINE_OPS_ELEMENTWISE_H_
#define FALLLINE_OPS_ELEMENTWISE_H_

#include "tensor/array.h"

namespace fallline {

// One row per formula struct of unary.inc.h: struct, public name, what its df reads (x, y, or nothing).
#define FL_UNARY_OPS(X)              \
  X(Negative, negative, kReadsNone)  \
  X(Abs, abs, kReadsX)               \
  X(Sign, sign, kReadsNone)          \
  X(Square, square, kReadsX)         \
  X(Reciprocal, reciprocal, kReadsY) \
  X(Sqrt, sqrt, kReadsY)             \
  X(Exp, exp, kReadsY)               \
  X(Expm1, expm1, kReadsX)           \
  X(Log, log, kReadsX)               \
  X(Log1p, log1p, kReadsX)           \
  X(Sin, sin, kReadsX)               \
  X(Cos, cos, kReadsX)               \
  X(Tanh, tanh, kReadsY)             \
  X(Erf, erf, kReadsX)               \
  X(Sigmoid, sigmoid, kReadsY)       \
  X(Softplus, softplus, kReadsX)     \
  X(Relu, relu, kReadsY)             \
  X(Gelu, gelu, kReadsX)             \
  X(Silu, silu, kReadsX)             \
  X(Floor, floor, kReadsNone)        \
  X(Ceil, ceil, kReadsNone)          \
  X(Trunc, trunc, kReadsNone)        \
  X(Round, round, kReadsNone)

// One row per formula struct of binary.inc.h: struct, public name, what dfa reads, what dfb reads.
#define FL_BINARY_OPS(X)                                    \
  X(Add, add, kReadsNone, kReadsNone)                       \
  X(Subtract, subtract, kReadsNone, kReadsNone)             \
  X(Multiply, multiply, kReadsB, kReadsA)                   \
  X(Divide, divide, kReadsB, kReadsB | kReadsOut)           \
  X(Power, power, kReadsA | kReadsB, kReadsA | kReadsOut)   \
  X(Maximum, maximum, kReadsA | kReadsB, kReadsA | kReadsB) \
  X(Minimum, minimum, kReadsA | kReadsB, kReadsA | kReadsB)

enum class UnaryOp : int {
#define FL_ROW(Formula, name, reads) k##Formula,
  FL_UNARY_OPS(FL_ROW)
#undef FL_ROW
      kCount
};
enum class BinaryOp : int {
#define FL_ROW(Formula, name, reads_a, reads_b) k##Formula,
  FL_BINARY_OPS(FL_ROW)
#undef FL_ROW
      kCount
};
constexpr int kUnaryOps = static_cast<int>(UnaryOp::kCount);
constexpr int kBinaryOps = static_cast<int>(BinaryOp::kCount);

// One input of a kernel: consecutive elements (step 1), or one that is repeated (step 0).
struct Operand {
  const void* data;
  int64_t step;
};

// Over n consecutive elements, of which only g and the arguments of binary functions may repeat; or over one, for plans
// of a few numbers, where the way into a loop would take most of the time.
struct ElementwiseKernel {
  void (*run)(const Operand* in, void* out, int64_t n);
  void (*one)(void* out, const void* a, const void* b, const void* c, const void* d);  // reads what the function takes
  void operator()(const Operand* in, void* out, int64_t n) const { run(in, out, n); }
};

// [0] float, [1] double.
struct ElementwiseKernels {
  ElementwiseKernel unary[kUnaryOps][2];            // x
  ElementwiseKernel unary_grad[kUnaryOps][2];       // g, x, y: out = g * df(x, y)
  ElementwiseKernel binary[kBinaryOps][2];          // x, y
  ElementwiseKernel binary_grad[kBinaryOps][2][2];  // [op][0: by x, 1: by y][type]; g, x, y, z: out = g * dfa(x, y, z)
};
const ElementwiseKernels& elementwise_kernels();  // for the active target

// Floating-point arrays, all of the output's dtype; inputs have any strides and broadcast, the output is dense.
void unary(UnaryOp op, const Array& x, const Array& out);
void binary(BinaryOp op, const Array& x, const Array& y, const Array& out);
// All of one shape and memory order, but g may be one element repeated; x, y, z that df does not read may be anything
// of the kind.
void unary_grad(UnaryOp op, const Array& g, const Array& x, const Array& y, const Array& out);
void binary_grad(BinaryOp op, int argument, const Array& g, const Array& x, const Array& y, const Array& z,
                 const Array& out);

}  // namespace fallline

#endif  // FALLLINE_OPS_ELEMENTWISE_H_
