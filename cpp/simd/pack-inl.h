// Pack<T>: a register of T with operators and math names, so that a formula reads like the paper.
//
// Per-target: include after simd/each_target.h. In the reference pass this is scalar.h and nothing else.
// Every operation here is exact or correctly rounded, so all targets agree bit for bit; fma on SSE4, which has no
// fused multiply-add, is the one exception. Never keep a Pack in a static or a global.

#if FL_REFERENCE_PASS

#include "simd/scalar.h"
#undef FL_FN
#define FL_FN inline

#else

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#undef FL_FN
#define FL_FN HWY_INLINE

#if defined(FALLLINE_SIMD_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef FALLLINE_SIMD_PACK_INL_H_
#undef FALLLINE_SIMD_PACK_INL_H_
#else
#define FALLLINE_SIMD_PACK_INL_H_
#endif

#include <cstdint>
#include <cstring>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace fallline {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using SignedOf = hwy::MakeSigned<T>;
template <class T>
using FloatOf = hwy::MakeFloat<T>;

template <class T>
struct Mask {
  using D = hn::ScalableTag<T>;
  hn::Mask<D> m;
  friend FL_FN Mask operator&(Mask x, Mask y) { return {hn::And(x.m, y.m)}; }
  friend FL_FN Mask operator|(Mask x, Mask y) { return {hn::Or(x.m, y.m)}; }
  friend FL_FN Mask operator!(Mask x) { return {hn::Not(x.m)}; }
};
template <class T>
FL_FN bool any(Mask<T> m) {
  return !hn::AllFalse(hn::ScalableTag<T>(), m.m);
}

template <class T>
struct Pack {
  using Lane = T;
  using D = hn::ScalableTag<T>;
  using V = hn::Vec<D>;
  static constexpr size_t kLanes = HWY_MAX_BYTES / sizeof(T);
  V v;
  FL_FN Pack() = default;
  FL_FN Pack(V x) : v(x) {}
  FL_FN Pack(T x) : v(hn::Set(D(), x)) {}
  // A literal such as X(0.1) rounds to T once.
  template <class N, class = std::enable_if_t<std::is_same_v<N, double> && std::is_same_v<T, float> > >
  FL_FN explicit Pack(N literal) : v(hn::Set(D(), static_cast<T>(literal))) {}

  // Borrowed arrays are aligned to their items only, so every load and store is an unaligned one.
  static FL_FN Pack load(const T* p) { return hn::LoadU(D(), p); }
  FL_FN void store(T* p) const { hn::StoreU(v, D(), p); }
  FL_FN T first() const { return hn::GetLane(v); }

  // The first n lanes, 0 <= n <= kLanes; the others read as zero and are not written. Memory past them is not touched.
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  static_assert(HWY_TARGET == HWY_AVX3 || sizeof(T) >= 4, "AVX2 masks only lanes of four and eight bytes");
  static FL_FN Pack load_n(const T* p, size_t n) { return hn::MaskedLoad(hn::FirstN(D(), n), D(), p); }
  FL_FN void store_n(T* p, size_t n) const { hn::BlendedStore(v, hn::FirstN(D(), n), D(), p); }
#else
  static FL_FN Pack load_n(const T* p, size_t n) {
    HWY_ALIGN T lanes[kLanes] = {};
    std::memcpy(lanes, p, n * sizeof(T));
    return hn::Load(D(), lanes);
  }
  FL_FN void store_n(T* p, size_t n) const {
    HWY_ALIGN T lanes[kLanes];
    hn::Store(v, D(), lanes);
    std::memcpy(p, lanes, n * sizeof(T));
  }
#endif

  friend FL_FN Pack operator+(Pack x, Pack y) { return hn::Add(x.v, y.v); }
  friend FL_FN Pack operator-(Pack x, Pack y) { return hn::Sub(x.v, y.v); }
  friend FL_FN Pack operator*(Pack x, Pack y) { return hn::Mul(x.v, y.v); }
  friend FL_FN Pack operator/(Pack x, Pack y) { return hn::Div(x.v, y.v); }
  friend FL_FN Pack operator-(Pack x) { return hn::Neg(x.v); }
  friend FL_FN Pack operator&(Pack x, Pack y) { return hn::And(x.v, y.v); }
  friend FL_FN Pack operator|(Pack x, Pack y) { return hn::Or(x.v, y.v); }
  friend FL_FN Pack operator^(Pack x, Pack y) { return hn::Xor(x.v, y.v); }
  friend FL_FN Mask<T> operator==(Pack x, Pack y) { return {hn::Eq(x.v, y.v)}; }
  friend FL_FN Mask<T> operator!=(Pack x, Pack y) { return {hn::Not(hn::Eq(x.v, y.v))}; }  // hn::Ne is false for NaN
  friend FL_FN Mask<T> operator<(Pack x, Pack y) { return {hn::Lt(x.v, y.v)}; }
  friend FL_FN Mask<T> operator<=(Pack x, Pack y) { return {hn::Le(x.v, y.v)}; }
  friend FL_FN Mask<T> operator>(Pack x, Pack y) { return {hn::Gt(x.v, y.v)}; }
  friend FL_FN Mask<T> operator>=(Pack x, Pack y) { return {hn::Ge(x.v, y.v)}; }
};

template <class T>
FL_FN Pack<T> select(Mask<T> m, Pack<T> yes, std::common_type_t<Pack<T> > no) {
  return hn::IfThenElse(m.m, yes.v, no.v);
}
template <class T>
FL_FN Pack<T> fma(Pack<T> a, Pack<T> b, Pack<T> c) {
  return hn::MulAdd(a.v, b.v, c.v);
}
// max and min return the second operand when either is NaN or both are zero; formulas decide about NaN.
#if HWY_ARCH_X86
template <class T>
FL_FN Pack<T> max(Pack<T> a, Pack<T> b) {
  return hn::Max(a.v, b.v);
}
template <class T>
FL_FN Pack<T> min(Pack<T> a, Pack<T> b) {
  return hn::Min(a.v, b.v);
}
#else
template <class T>
FL_FN Pack<T> max(Pack<T> a, Pack<T> b) {
  return select(a > b, a, b);
}
template <class T>
FL_FN Pack<T> min(Pack<T> a, Pack<T> b) {
  return select(a < b, a, b);
}
#endif
template <class T>
FL_FN Pack<T> abs(Pack<T> x) {
  return hn::Abs(x.v);
}
template <class T>
FL_FN Pack<T> sqrt(Pack<T> x) {
  return hn::Sqrt(x.v);
}
template <class T>
FL_FN Pack<T> floor(Pack<T> x) {
  return hn::Floor(x.v);
}
template <class T>
FL_FN Pack<T> ceil(Pack<T> x) {
  return hn::Ceil(x.v);
}
template <class T>
FL_FN Pack<T> trunc(Pack<T> x) {
  return hn::Trunc(x.v);
}
// To the nearest integer, halves to even.
template <class T>
FL_FN Pack<T> round(Pack<T> x) {
  return hn::Round(x.v);
}
template <class T>
FL_FN Pack<T> copysign(Pack<T> magnitude, Pack<T> sign) {
  return hn::CopySign(magnitude.v, sign.v);
}

// Integer views, for the math functions.
template <class T>
FL_FN Pack<SignedOf<T> > bits(Pack<T> x) {
  return hn::BitCast(hn::ScalableTag<SignedOf<T> >(), x.v);
}
template <class I>
FL_FN Pack<FloatOf<I> > from_bits(Pack<I> x) {
  return hn::BitCast(hn::ScalableTag<FloatOf<I> >(), x.v);
}
// Towards zero; the value must fit.
template <class T>
FL_FN Pack<SignedOf<T> > to_int(Pack<T> x) {
  return hn::ConvertTo(hn::ScalableTag<SignedOf<T> >(), x.v);
}
template <class I>
FL_FN Pack<FloatOf<I> > to_float(Pack<I> x) {
  return hn::ConvertTo(hn::ScalableTag<FloatOf<I> >(), x.v);
}
template <int kBits, class I>
FL_FN Pack<I> shift_left(Pack<I> x) {
  return hn::ShiftLeft<kBits>(x.v);
}
template <int kBits, class I>
FL_FN Pack<I> shift_right(Pack<I> x) {  // copies the sign
  return hn::ShiftRight<kBits>(x.v);
}

// The whole product of the lower halves.
FL_FN Pack<uint64_t> multiply_lower(Pack<uint64_t> a, Pack<uint64_t> b) {
  const hn::ScalableTag<uint32_t> halves;
  return hn::MulEven(hn::BitCast(halves, a.v), hn::BitCast(halves, b.v));
}
// Two neighbours in each lane, the first in its lower half.
FL_FN Pack<uint64_t> load_two_each(const uint32_t* p) {
  return hn::BitCast(hn::ScalableTag<uint64_t>(), hn::LoadU(hn::ScalableTag<uint32_t>(), p));
}
// First a's first lane, then b's first, a's second ..., each as two words.
FL_FN void store_in_turns(Pack<uint64_t> a, Pack<uint64_t> b, uint32_t* p) {
  hn::StoreInterleaved2(a.v, b.v, hn::ScalableTag<uint64_t>(), reinterpret_cast<uint64_t*>(p));
}

// Asks for the line at p, which may lie behind the end of an array.
template <class T>
FL_FN void prefetch(const T* p) {
  hwy::Prefetch(p);
}

// Codes of 8 and 16 bits without sign, one for each lane of int32; what narrow() is given must fit.
template <class Code>
FL_FN Pack<int32_t> widen(const Code* p) {
  return hn::PromoteTo(hn::ScalableTag<int32_t>(), hn::LoadU(hn::Rebind<Code, hn::ScalableTag<int32_t> >(), p));
}
template <class Code>
FL_FN void narrow(Pack<int32_t> x, Code* p) {
  const hn::Rebind<Code, hn::ScalableTag<int32_t> > d;
  hn::StoreU(hn::DemoteTo(d, x.v), d, p);
}

// The rounding error of a product: a * b = product + product_error(a, b, product), exactly unless it underflows.
template <class T>
FL_FN Pack<T> product_error(Pack<T> a, Pack<T> b, Pack<T> product) {
#if HWY_TARGET == HWY_SSE4
  // No fused multiply-add: four products of halves, each of which fits (Dekker 1971).
  constexpr SignedOf<T> kUpper = ~SignedOf<T>((1LL << (sizeof(T) == 4 ? 12 : 27)) - 1);
  const Pack<T> ah = from_bits(bits(a) & Pack<SignedOf<T> >(kUpper)), al = a - ah;
  const Pack<T> bh = from_bits(bits(b) & Pack<SignedOf<T> >(kUpper)), bl = b - bh;
  return ((ah * bh - product) + ah * bl + al * bh) + al * bl;
#else
  return hn::MulSub(a.v, b.v, product.v);
#endif
}

// Numbers as a register of doubles, exactly.
FL_FN Pack<double> wide(const float* p) {
  return hn::PromoteTo(hn::ScalableTag<double>(), hn::LoadU(hn::Rebind<float, hn::ScalableTag<double> >(), p));
}
FL_FN Pack<double> wide(const double* p) { return Pack<double>::load(p); }

#if HWY_TARGET == HWY_AVX3
// One instruction for what math.inc.h spells out for every target: the same results, being exact or rounded once.
FL_FN Pack<float> scale(Pack<float> x, Pack<float> n) { return Pack<float>::V{_mm512_scalef_ps(x.v.raw, n.v.raw)}; }
FL_FN Pack<double> scale(Pack<double> x, Pack<double> n) { return Pack<double>::V{_mm512_scalef_pd(x.v.raw, n.v.raw)}; }
FL_FN Pack<float> split(Pack<float> x, Pack<float>& e) {
  const __m512 m = _mm512_getmant_ps(x.v.raw, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
  e = Pack<float>::V{_mm512_sub_ps(_mm512_getexp_ps(x.v.raw), _mm512_getexp_ps(m))};
  return Pack<float>::V{m};
}
FL_FN Pack<double> split(Pack<double> x, Pack<double>& e) {
  const __m512d m = _mm512_getmant_pd(x.v.raw, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
  e = Pack<double>::V{_mm512_sub_pd(_mm512_getexp_pd(x.v.raw), _mm512_getexp_pd(m))};
  return Pack<double>::V{m};
}
#endif

}  // namespace HWY_NAMESPACE
}  // namespace fallline
HWY_AFTER_NAMESPACE();

#endif  // toggled guard
#endif  // FL_REFERENCE_PASS
