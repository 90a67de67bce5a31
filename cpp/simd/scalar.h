// The same names as pack-inl.h with one lane: the reference that every SIMD target with FMA must equal bit for bit, and
// what a CUDA thread computes with (device.cuh).
#ifndef FALLLINE_SIMD_SCALAR_H_
#define FALLLINE_SIMD_SCALAR_H_

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#ifdef __CUDACC__
#define FL_SCALAR_FN __host__ __device__ inline
#else
#define FL_SCALAR_FN inline
#endif

namespace fallline {
namespace ref {

template <class T>
using SignedOf = std::conditional_t<sizeof(T) == 8, int64_t, int32_t>;
template <class T>
using FloatOf = std::conditional_t<sizeof(T) == 8, double, float>;

// Sums of integers wrap around as in a register, so they are formed without a sign; and their products too.
template <class T, bool = std::is_integral_v<T> && !std::is_same_v<T, bool>>
struct Wrapping {
  using type = T;
};
template <class T>
struct Wrapping<T, true> {
  using type = std::make_unsigned_t<T>;
};

template <class T>
struct Mask {
  bool b;
  friend FL_SCALAR_FN Mask operator&(Mask x, Mask y) { return {x.b && y.b}; }
  friend FL_SCALAR_FN Mask operator|(Mask x, Mask y) { return {x.b || y.b}; }
  friend FL_SCALAR_FN Mask operator!(Mask x) { return {!x.b}; }
};
template <class T>
FL_SCALAR_FN bool any(Mask<T> m) {
  return m.b;
}

template <class T>
struct Pack {
  using Lane = T;
  using Wide = typename Wrapping<T>::type;
  static constexpr size_t kLanes = 1;
  T v;
  Pack() = default;
  FL_SCALAR_FN Pack(T x) : v(x) {}
  // A literal such as X(0.1) rounds to T once.
  template <class N, class = std::enable_if_t<std::is_same_v<N, double> && std::is_same_v<T, float>>>
  FL_SCALAR_FN explicit Pack(N literal) : v(static_cast<T>(literal)) {}

  static FL_SCALAR_FN Pack load(const T* p) { return *p; }
  static FL_SCALAR_FN Pack load_n(const T* p, size_t n) { return n ? *p : T(0); }
  FL_SCALAR_FN void store(T* p) const { *p = v; }
  FL_SCALAR_FN T first() const { return v; }
  FL_SCALAR_FN void store_n(T* p, size_t n) const {
    if (n) *p = v;
  }

  friend FL_SCALAR_FN Pack operator+(Pack x, Pack y) { return T(Wide(x.v) + Wide(y.v)); }
  friend FL_SCALAR_FN Pack operator-(Pack x, Pack y) { return T(Wide(x.v) - Wide(y.v)); }
  friend FL_SCALAR_FN Pack operator*(Pack x, Pack y) { return T(Wide(1) * Wide(x.v) * Wide(y.v)); }
  friend FL_SCALAR_FN Pack operator/(Pack x, Pack y) { return T(x.v / y.v); }
  friend FL_SCALAR_FN Pack operator-(Pack x) { return T(-x.v); }
  friend FL_SCALAR_FN Pack operator&(Pack x, Pack y) { return T(x.v & y.v); }  // integers only, like the next four
  friend FL_SCALAR_FN Pack operator|(Pack x, Pack y) { return T(x.v | y.v); }
  friend FL_SCALAR_FN Pack operator^(Pack x, Pack y) { return T(x.v ^ y.v); }
  friend FL_SCALAR_FN Mask<T> operator==(Pack x, Pack y) { return {x.v == y.v}; }
  friend FL_SCALAR_FN Mask<T> operator!=(Pack x, Pack y) { return {x.v != y.v}; }
  friend FL_SCALAR_FN Mask<T> operator<(Pack x, Pack y) { return {x.v < y.v}; }
  friend FL_SCALAR_FN Mask<T> operator<=(Pack x, Pack y) { return {x.v <= y.v}; }
  friend FL_SCALAR_FN Mask<T> operator>(Pack x, Pack y) { return {x.v > y.v}; }
  friend FL_SCALAR_FN Mask<T> operator>=(Pack x, Pack y) { return {x.v >= y.v}; }
};

template <class T>
FL_SCALAR_FN Pack<T> select(Mask<T> m, Pack<T> yes, std::common_type_t<Pack<T>> no) {
  return m.b ? yes : no;
}
template <class T>
FL_SCALAR_FN Pack<T> fma(Pack<T> a, Pack<T> b, Pack<T> c) {
  return std::fma(a.v, b.v, c.v);
}
// max and min return the second operand when either is NaN or both are zero, as x86 does; formulas decide about NaN.
template <class T>
FL_SCALAR_FN Pack<T> max(Pack<T> a, Pack<T> b) {
  return a.v > b.v ? a : b;
}
template <class T>
FL_SCALAR_FN Pack<T> min(Pack<T> a, Pack<T> b) {
  return a.v < b.v ? a : b;
}
template <class T>
FL_SCALAR_FN Pack<T> abs(Pack<T> x) {
  return std::abs(x.v);
}
template <class T>
FL_SCALAR_FN Pack<T> sqrt(Pack<T> x) {
  return std::sqrt(x.v);
}
template <class T>
FL_SCALAR_FN Pack<T> floor(Pack<T> x) {
  return std::floor(x.v);
}
template <class T>
FL_SCALAR_FN Pack<T> ceil(Pack<T> x) {
  return std::ceil(x.v);
}
template <class T>
FL_SCALAR_FN Pack<T> trunc(Pack<T> x) {
  return std::trunc(x.v);
}
// To the nearest integer, halves to even (the default rounding mode is assumed everywhere).
template <class T>
FL_SCALAR_FN Pack<T> round(Pack<T> x) {
  return std::nearbyint(x.v);
}
template <class T>
FL_SCALAR_FN Pack<T> copysign(Pack<T> magnitude, Pack<T> sign) {
  return std::copysign(magnitude.v, sign.v);
}

// Integer views, for the math functions.
template <class T>
FL_SCALAR_FN Pack<SignedOf<T>> bits(Pack<T> x) {
  SignedOf<T> i;
  std::memcpy(&i, &x.v, sizeof i);
  return i;
}
template <class I>
FL_SCALAR_FN Pack<FloatOf<I>> from_bits(Pack<I> x) {
  FloatOf<I> f;
  std::memcpy(&f, &x.v, sizeof f);
  return f;
}
// Towards zero; the value must fit.
template <class T>
FL_SCALAR_FN Pack<SignedOf<T>> to_int(Pack<T> x) {
  return static_cast<SignedOf<T>>(x.v);
}
template <class I>
FL_SCALAR_FN Pack<FloatOf<I>> to_float(Pack<I> x) {
  return static_cast<FloatOf<I>>(x.v);
}
template <int kBits, class I>
FL_SCALAR_FN Pack<I> shift_left(Pack<I> x) {
  return static_cast<I>(static_cast<std::make_unsigned_t<I>>(x.v) << kBits);
}
template <int kBits, class I>
FL_SCALAR_FN Pack<I> shift_right(Pack<I> x) {  // copies the sign
  return static_cast<I>(x.v >> kBits);
}

// The whole product of the lower halves.
FL_SCALAR_FN Pack<uint64_t> multiply_lower(Pack<uint64_t> a, Pack<uint64_t> b) {
  return (a.v & 0xFFFFFFFF) * (b.v & 0xFFFFFFFF);
}
// Two neighbours in each lane, the first in its lower half.
FL_SCALAR_FN Pack<uint64_t> load_two_each(const uint32_t* p) { return p[0] | static_cast<uint64_t>(p[1]) << 32; }
// First a's first lane, then b's first, a's second ..., each as two words.
FL_SCALAR_FN void store_in_turns(Pack<uint64_t> a, Pack<uint64_t> b, uint32_t* p) {
  const uint64_t both[2] = {a.v, b.v};
  for (int i = 0; i < 4; ++i) p[i] = static_cast<uint32_t>(both[i / 2] >> 32 * (i % 2));
}

// Does nothing here.
template <class T>
FL_SCALAR_FN void prefetch(const T*) {}

// Codes of 8 and 16 bits without sign; what narrow() is given must fit.
template <class Code>
FL_SCALAR_FN Pack<int32_t> widen(const Code* p) {
  return static_cast<int32_t>(*p);
}
template <class Code>
FL_SCALAR_FN void narrow(Pack<int32_t> x, Code* p) {
  *p = static_cast<Code>(x.v);
}

// The rounding error of a product: a * b = product + product_error(a, b, product), exactly unless it underflows.
template <class T>
FL_SCALAR_FN Pack<T> product_error(Pack<T> a, Pack<T> b, Pack<T> product) {
  return std::fma(a.v, b.v, -product.v);
}

FL_SCALAR_FN Pack<double> wide(const float* p) { return static_cast<double>(*p); }
FL_SCALAR_FN Pack<double> wide(const double* p) { return *p; }

}  // namespace ref
}  // namespace fallline

#endif  // FALLLINE_SIMD_SCALAR_H_
