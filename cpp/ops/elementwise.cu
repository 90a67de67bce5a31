// The elementwise functions instantiated for CUDA.
#include "ops/elementwise_cuda.h"

#include "simd/device.cuh"

namespace fallline {
namespace cuda {

#include "simd/math.inc.h"
#include "ops/unary.inc.h"
#include "ops/binary.inc.h"

using Stream = CudaElementwise::Stream;

template <class Op, class T>
struct Unary {
  const T* x;
  T* out;
  __device__ void operator()(int64_t i) const { Op::f(Pack<T>::load(x + i)).store(out + i); }
  static int run(const void* x, void* out, int64_t n, Stream stream) {
    return launch(n, Unary{static_cast<const T*>(x), static_cast<T*>(out)}, stream);
  }
};

template <class Op, class T>
struct UnaryGrad {
  const T *g, *x, *y;
  T* out;
  __device__ void operator()(int64_t i) const {
    (Pack<T>::load(g + i) * Op::df(Pack<T>::load(x + i), Pack<T>::load(y + i))).store(out + i);
  }
  static int run(const void* g, const void* x, const void* y, void* out, int64_t n, Stream stream) {
    const UnaryGrad f = {static_cast<const T*>(g), static_cast<const T*>(x), static_cast<const T*>(y),
                         static_cast<T*>(out)};
    return launch(n, f, stream);
  }
};

template <class Op, class T>
struct Binary {
  const T* x;
  int64_t x_step;
  const T* y;
  int64_t y_step;
  T* out;
  __device__ void operator()(int64_t i) const {
    Op::f(Pack<T>::load(x + i * x_step), Pack<T>::load(y + i * y_step)).store(out + i);
  }
  static int run(const void* x, int64_t x_step, const void* y, int64_t y_step, void* out, int64_t n, Stream stream) {
    return launch(n, Binary{static_cast<const T*>(x), x_step, static_cast<const T*>(y), y_step, static_cast<T*>(out)},
                  stream);
  }
};

template <class Op, class T, int kArgument>
struct BinaryGrad {
  const T *g, *x, *y, *z;
  T* out;
  static FL_FN Pack<T> slope(Pack<T> a, Pack<T> b, Pack<T> c) {
    if constexpr (kArgument == 0) {
      return Op::dfa(a, b, c);
    } else {
      return Op::dfb(a, b, c);
    }
  }
  __device__ void operator()(int64_t i) const {
    (Pack<T>::load(g + i) * slope(Pack<T>::load(x + i), Pack<T>::load(y + i), Pack<T>::load(z + i))).store(out + i);
  }
  static int run(const void* g, const void* x, const void* y, const void* z, void* out, int64_t n, Stream stream) {
    const BinaryGrad f = {static_cast<const T*>(g), static_cast<const T*>(x), static_cast<const T*>(y),
                          static_cast<const T*>(z), static_cast<T*>(out)};
    return launch(n, f, stream);
  }
};

static constexpr CudaElementwise kLaunchers = {
#define FL_ROW(Op, name, reads) {Unary<Op, float>::run, Unary<Op, double>::run},
    {FL_UNARY_OPS(FL_ROW)},
#undef FL_ROW
#define FL_ROW(Op, name, reads) {UnaryGrad<Op, float>::run, UnaryGrad<Op, double>::run},
    {FL_UNARY_OPS(FL_ROW)},
#undef FL_ROW
#define FL_ROW(Op, name, reads_a, reads_b) {Binary<Op, float>::run, Binary<Op, double>::run},
    {FL_BINARY_OPS(FL_ROW)},
#undef FL_ROW
#define FL_ROW(Op, name, reads_a, reads_b)                          \
  {{BinaryGrad<Op, float, 0>::run, BinaryGrad<Op, double, 0>::run}, \
   {BinaryGrad<Op, float, 1>::run, BinaryGrad<Op, double, 1>::run}},
    {FL_BINARY_OPS(FL_ROW)},
#undef FL_ROW
};

}  // namespace cuda

const CudaElementwise& cuda_elementwise() { return cuda::kLaunchers; }

}  // namespace fallline
