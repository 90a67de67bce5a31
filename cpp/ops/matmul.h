// Products of matrices and of batches of them.
#ifndef FALLLINE_OPS_MATMUL_H_
#define FALLLINE_OPS_MATMUL_H_

#include "tensor/array.h"

namespace fallline {

// out (..., m, n) = x (..., m, k) @ y (..., k, n); the leading axes broadcast; float32 or float64. `bias`: n values
// that each row's sums start from, or null.
void matmul(const Array& x, const Array& y, const Array* bias, const Array& out);

}  // namespace fallline

#endif  // FALLLINE_OPS_MATMUL_H_
