// Products of matrices and of batches of them.
#ifndef FALLLINE_OPS_MATMUL_H_
#define FALLLINE_OPS_MATMUL_H_

#include <functional>

#include "ops/matmul_kernels.h"
#include "tensor/array.h"

namespace fallline {

// out (..., m, n) = x (..., m, k) @ y (..., k, n); the leading axes broadcast; float32 or float64. `bias`: n values
// that each row's sums start from, or null.
void matmul(const Array& x, const Array& y, const Array* bias, const Array& out);

// The same call for two matrices, once and for all; bias, where there is one, has unit stride.
// `relu`: of the result; or the result times the derivative of the relu that gave `relu_of` (unit column stride).
struct MatmulCall {
  bool turn_y = false;
  const Array* bias = nullptr;
  bool relu = false;
  const Array* relu_of = nullptr;
};
std::function<void()> prepared_matmul(const Array& x, const Array& y, const Array& out, const MatmulCall& how);

// Who takes a product tile by tile. Called by several threads, each with tiles of its own.
struct TileReader {
  void (*read)(void* context, const MatmulTile& tile);
  void* context;
};
// x (m, k) @ y (k, n), which never lies in memory as a whole; k is at most kMatmulDepth.
void matmul_tiles(const Array& x, const Array& y, const TileReader& reader);

}  // namespace fallline

#endif  // FALLLINE_OPS_MATMUL_H_
