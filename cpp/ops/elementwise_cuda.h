// The elementwise functions on a CUDA device: a table of launchers, for programs built with FALLLINE_CUDA.
#ifndef FALLLINE_OPS_ELEMENTWISE_CUDA_H_
#define FALLLINE_OPS_ELEMENTWISE_CUDA_H_

#include "ops/elementwise.h"

struct CUstream_st;  // what cudaStream_t points to

namespace fallline {

// As ElementwiseKernels, on device memory. A launcher returns at once, with the cudaError_t of the launch (0: none).
struct CudaElementwise {
  using Stream = CUstream_st*;
  using Unary = int (*)(const void* x, void* out, int64_t n, Stream stream);
  using UnaryGrad = int (*)(const void* g, const void* x, const void* y, void* out, int64_t n, Stream stream);
  using Binary = int (*)(const void* x, int64_t x_step, const void* y, int64_t y_step, void* out, int64_t n,
                         Stream stream);
  using BinaryGrad = int (*)(const void* g, const void* x, const void* y, const void* z, void* out, int64_t n,
                             Stream stream);
  Unary unary[kUnaryOps][2];
  UnaryGrad unary_grad[kUnaryOps][2];        // out = g * df(x, y)
  Binary binary[kBinaryOps][2];              // a step of 0 repeats the first element
  BinaryGrad binary_grad[kBinaryOps][2][2];  // [op][0: by x, 1: by y][type]: out = g * dfa(x, y, z)
};
const CudaElementwise& cuda_elementwise();

}  // namespace fallline

#endif  // FALLLINE_OPS_ELEMENTWISE_CUDA_H_
