// The elementwise functions for every SIMD target, and their walk over strided arrays.
#include "ops/elementwise.h"

#include "ops/iterate.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/elementwise.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"
#include "simd/sweep-inl.h"

FL_BEGIN_TARGET

#include "simd/math.inc.h"
#include "ops/unary.inc.h"
#include "ops/binary.inc.h"

template <class T>
FL_FN Each<T> each(const Operand& x) {
  return {static_cast<const T*>(x.data)};
}
template <class T>
FL_FN Same<T> same(const Operand& x) {
  return {Pack<T>(*static_cast<const T*>(x.data))};
}

template <class T>
FL_FN Either<T> either(const Operand& x) {
  return {static_cast<const T*>(x.data), x.step};
}

template <class T>
FL_FN Pack<T> at(const void* x) {
  return Pack<T>(*static_cast<const T*>(x));
}

template <class Op, class T>
struct Unary {
  static FL_FN Pack<T> call(Pack<T> x) { return Op::f(x); }
  static void run(const Operand* in, void* out, int64_t n) { sweep<Unary>(n, static_cast<T*>(out), each<T>(in[0])); }
  static void one(void* out, const void* x, const void*, const void*, const void*) {
    *static_cast<T*>(out) = call(at<T>(x)).first();
  }
};

template <class Op, class T>
struct UnaryGrad {
  static FL_FN Pack<T> call(Pack<T> g, Pack<T> x, Pack<T> y) { return g * Op::df(x, y); }
  static void run(const Operand* in, void* out, int64_t n) {
    sweep<UnaryGrad>(n, static_cast<T*>(out), either<T>(in[0]), each<T>(in[1]), each<T>(in[2]));
  }
  static void one(void* out, const void* g, const void* x, const void* y, const void*) {
    *static_cast<T*>(out) = call(at<T>(g), at<T>(x), at<T>(y)).first();
  }
};

template <class Op, class T>
struct Binary {
  static FL_FN Pack<T> call(Pack<T> x, Pack<T> y) { return Op::f(x, y); }
  static void run(const Operand* in, void* out, int64_t n) {
    T* z = static_cast<T*>(out);
    if (in[0].step && in[1].step) return sweep<Binary>(n, z, each<T>(in[0]), each<T>(in[1]));
    if (in[0].step) return sweep<Binary>(n, z, each<T>(in[0]), same<T>(in[1]));
    if (in[1].step) return sweep<Binary>(n, z, same<T>(in[0]), each<T>(in[1]));
    sweep<Binary>(n, z, same<T>(in[0]), same<T>(in[1]));
  }
  static void one(void* out, const void* x, const void* y, const void*, const void*) {
    *static_cast<T*>(out) = call(at<T>(x), at<T>(y)).first();
  }
};

template <class Op, class T, int kArgument>
struct BinaryGrad {
  static FL_FN Pack<T> call(Pack<T> g, Pack<T> x, Pack<T> y, Pack<T> z) {
    if constexpr (kArgument == 0)
      return g * Op::dfa(x, y, z);
    else
      return g * Op::dfb(x, y, z);
  }
  static void run(const Operand* in, void* out, int64_t n) {
    sweep<BinaryGrad>(n, static_cast<T*>(out), either<T>(in[0]), each<T>(in[1]), each<T>(in[2]), each<T>(in[3]));
  }
  static void one(void* out, const void* g, const void* x, const void* y, const void* z) {
    *static_cast<T*>(out) = call(at<T>(g), at<T>(x), at<T>(y), at<T>(z)).first();
  }
};

template <class F>
constexpr ElementwiseKernel kRow = {F::run, F::one};

constexpr ElementwiseKernels kKernels = {
#define FL_ROW(Op, name, reads) {kRow<Unary<Op, float>>, kRow<Unary<Op, double>>},
    {FL_UNARY_OPS(FL_ROW)},
#undef FL_ROW
#define FL_ROW(Op, name, reads) {kRow<UnaryGrad<Op, float>>, kRow<UnaryGrad<Op, double>>},
    {FL_UNARY_OPS(FL_ROW)},
#undef FL_ROW
#define FL_ROW(Op, name, reads_a, reads_b) {kRow<Binary<Op, float>>, kRow<Binary<Op, double>>},
    {FL_BINARY_OPS(FL_ROW)},
#undef FL_ROW
#define FL_ROW(Op, name, reads_a, reads_b)                            \
  {{kRow<BinaryGrad<Op, float, 0>>, kRow<BinaryGrad<Op, double, 0>>}, \
   {kRow<BinaryGrad<Op, float, 1>>, kRow<BinaryGrad<Op, double, 1>>}},
    {FL_BINARY_OPS(FL_ROW)},
#undef FL_ROW
};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(ElementwiseKernels, elementwise_kernels, kKernels)

namespace fallline {
namespace {

constexpr int64_t kBlock = 512;  // elements staged at a time where an input is neither consecutive nor repeated

// Elements that lie `step` apart, side by side.
template <class T>
const T* stage(const T* p, int64_t step, int64_t n, T* block) {
  for (int64_t i = 0; i < n; ++i) block[i] = p[i * step];
  return block;
}

template <class T>
void run_unary(ElementwiseKernel kernel, const Array& x, const Array& out) {
  const Dims x_strides = broadcast_strides(x.shape, x.strides, out.shape);
  for_each_run<2>(out.shape, {&out.strides, &x_strides}, [&](const int64_t* at, int64_t n, const int64_t* step) {
    const T* from = x.as<T>() + at[1];
    T* to = out.as<T>() + at[0];
    if (const Operand in{from, 1}; step[1] == 1 || n == 1) return kernel(&in, to, n);
    T block[kBlock];
    for (int64_t i = 0; i < n; i += kBlock) {
      const int64_t m = std::min(kBlock, n - i);
      const Operand in{stage(from + i * step[1], step[1], m, block), 1};
      kernel(&in, to + i, m);
    }
  });
}

template <class T>
void run_binary(ElementwiseKernel kernel, const Array& x, const Array& y, const Array& out) {
  const Dims x_strides = broadcast_strides(x.shape, x.strides, out.shape);
  const Dims y_strides = broadcast_strides(y.shape, y.strides, out.shape);
  for_each_run<3>(out.shape, {&out.strides, &x_strides, &y_strides},
                  [&](const int64_t* at, int64_t n, const int64_t* step) {
                    const T *a = x.as<T>() + at[1], *b = y.as<T>() + at[2];
                    T* to = out.as<T>() + at[0];
                    const bool a_plain = step[1] == 0 || step[1] == 1, b_plain = step[2] == 0 || step[2] == 1;
                    if (const Operand in[] = {{a, step[1]}, {b, step[2]}}; a_plain && b_plain) return kernel(in, to, n);
                    T a_block[kBlock], b_block[kBlock];
                    for (int64_t i = 0; i < n; i += kBlock) {
                      const int64_t m = std::min(kBlock, n - i);
                      const T* p = a_plain ? a + i * step[1] : stage(a + i * step[1], step[1], m, a_block);
                      const T* q = b_plain ? b + i * step[2] : stage(b + i * step[2], step[2], m, b_block);
                      const Operand in[] = {{p, a_plain ? step[1] : 1}, {q, b_plain ? step[2] : 1}};
                      kernel(in, to + i, m);
                    }
                  });
}

// How a kernel reads x for all of `out`, if it can at once: of few elements, looking for that way takes longer than the
// arithmetic. The step is -1 where it cannot.
Operand at_once(const Array& x, const Array& out) {
  if (x.shape == out.shape && x.strides == out.strides) return {x.data, 1};
  return {x.data, x.one_element() ? 0 : -1};
}

// Whether the call is done.
bool few(ElementwiseKernel kernel, const Array& x, const Array& y, const Array& out) {
  const int64_t n = out.size();
  const Operand in[] = {at_once(x, out), at_once(y, out)};
  if (n > kSweepGrain || in[0].step < 0 || in[1].step < 0) return false;
  if (n == 1) {
    kernel.one(out.data, x.data, y.data, nullptr, nullptr);
  } else if (n > 0) {
    kernel(in, out.data, n);
  }
  return true;
}

}  // namespace

void unary(UnaryOp op, const Array& x, const Array& out) {
  const auto& kernels = elementwise_kernels().unary[static_cast<int>(op)];
  if (out.dtype == DType::kFloat32) return run_unary<float>(kernels[0], x, out);
  run_unary<double>(kernels[1], x, out);
}

void binary(BinaryOp op, const Array& x, const Array& y, const Array& out) {
  const auto& kernels = elementwise_kernels().binary[static_cast<int>(op)];
  if (few(kernels[float_index(out.dtype)], x, y, out)) return;
  if (out.dtype == DType::kFloat32) return run_binary<float>(kernels[0], x, y, out);
  run_binary<double>(kernels[1], x, y, out);
}

void unary_grad(UnaryOp op, const Array& g, const Array& x, const Array& y, const Array& out) {
  const auto kernel = elementwise_kernels().unary_grad[static_cast<int>(op)][float_index(out.dtype)];
  const int64_t size = static_cast<int64_t>(size_of(out.dtype));
  const int64_t step = g.one_element() ? 0 : 1;
  for_chunks(out.size(), kSweepGrain, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * size;
    const Operand in[] = {{g.data + step * at, step}, {x.data + at, 1}, {y.data + at, 1}};
    kernel(in, out.data + at, end - begin);
  });
}

void binary_grad(BinaryOp op, int argument, const Array& g, const Array& x, const Array& y, const Array& z,
                 const Array& out) {
  const auto kernel = elementwise_kernels().binary_grad[static_cast<int>(op)][argument][float_index(out.dtype)];
  const int64_t size = static_cast<int64_t>(size_of(out.dtype));
  const int64_t step = g.one_element() ? 0 : 1;
  for_chunks(out.size(), kSweepGrain, [&](int64_t begin, int64_t end) {
    const int64_t at = begin * size;
    const Operand in[] = {{g.data + step * at, step}, {x.data + at, 1}, {y.data + at, 1}, {z.data + at, 1}};
    kernel(in, out.data + at, end - begin);
  });
}

}  // namespace fallline
#endif  // FL_ONCE
