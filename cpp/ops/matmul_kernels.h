// How are two matrices multiplied?  Plain pointers and strides in, one call for every layout.
#ifndef FALLLINE_OPS_MATMUL_KERNELS_H_
#define FALLLINE_OPS_MATMUL_KERNELS_H_

#include <cstdint>

namespace fallline {

// A finished block of c: rows [row, row_end) and columns [column, column_end) of product `index` of the batch.
struct MatmulTile {
  int64_t index, row, row_end, column, column_end;
  const void* c;  // the element at (row, column)
  int64_t c_row;
};

// What becomes of a sum before it is stored, while it is in a register.
enum class Epilogue { kNone, kRelu, kReluGrad };

// c (m x n) = bias + a (m x k) b (k x n), `batch` times. Strides count elements and may be zero or negative; c has unit
// column stride, is overwritten, and overlaps neither operand. `bias` holds n values or is null; k = 0 leaves it alone.
//
// Every element is a sum in one fixed order, whatever the strides, the target, or the number of threads: k is cut at
// multiples of kMatmulDepth, products of a cut are added one by one with fma (the first cut starts at the bias, the
// others at zero), and the cuts are added from the first to the last.
struct MatmulArgs {
  int64_t m, n, k;
  const void* a;
  int64_t a_row, a_col;
  const void* b;
  int64_t b_row, b_col;
  void* c;
  int64_t c_row;
  const void* bias = nullptr;
  bool bias_by_row = false;  // m values instead, one for each row
  int64_t batch = 1, a_batch = 0, b_batch = 0, c_batch = 0;

  // For a batch of one: relu, or the product times the derivative of the relu that gave y (m x n, unit column stride).
  Epilogue epilogue = Epilogue::kNone;
  const void* y = nullptr;
  int64_t y_row = 0;

  // Called for every tile as soon as its sums are there, each element once, on the thread that made it; a thread works
  // on whole runs of kFinishRows rows, from the first to the last. With c == null and k <= kMatmulDepth the tile is all
  // that there ever is of the product.
  void (*finish)(void* context, const MatmulTile& tile) = nullptr;
  void* finish_context = nullptr;
};

constexpr int64_t kMatmulDepth = 1024;
constexpr int64_t kFinishRows = 64;

struct MatmulKernels {
  void (*run[2])(const MatmulArgs&);  // float, double
};
const MatmulKernels& matmul_kernels();

// At least `bytes` of the calling thread's memory, 64-byte aligned, kept until the thread ends: no product allocates
// twice. Its contents last until the next call with the same `use`.
enum class Scratch { kLeft, kRight, kResult, kGradient, kGroup, kCount };
void* scratch(Scratch use, int64_t bytes);

}  // namespace fallline

#endif  // FALLLINE_OPS_MATMUL_KERNELS_H_
