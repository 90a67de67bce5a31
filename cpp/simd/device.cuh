// The same names for a CUDA thread, and the launcher: one element per turn, n elements in strides of the grid.
//
// A thread computes with the one-lane Pack of scalar.h and the formulas of math.inc.h, so that with --fmad=false (an
// explicit fma stays one) the device is meant to give the bits of the CPU. nvcc never sees Highway.
#ifndef FALLLINE_SIMD_DEVICE_CUH_
#define FALLLINE_SIMD_DEVICE_CUH_

#include <algorithm>
#include <cstdint>

#include "simd/scalar.h"

#undef FL_FN
#define FL_FN __host__ __device__ inline

namespace fallline {
namespace cuda {

using namespace ref;

template <class F>
__global__ void each(int64_t n, const F f) {
  const int64_t stride = int64_t{gridDim.x} * blockDim.x;
  for (int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < n; i += stride) f(i);
}

// f(i) for 0 <= i < n on the device, in order with what `stream` already holds. Returns the cudaError_t of the launch.
template <class F>
int launch(int64_t n, const F& f, cudaStream_t stream) {
  constexpr int64_t kThreads = 256, kMostBlocks = 4096;
  if (n <= 0) return cudaSuccess;
  const auto blocks = static_cast<unsigned>(std::min((n + kThreads - 1) / kThreads, kMostBlocks));
  each<<<blocks, kThreads, 0, stream>>>(n, f);
  return cudaGetLastError();
}

}  // namespace cuda
}  // namespace fallline

#endif  // FALLLINE_SIMD_DEVICE_CUH_
