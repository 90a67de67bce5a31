// The loops: load k inputs, call a formula, store one output, mask the tail.
//
// Per-target, like pack-inl.h, which must come first. A formula is a struct with static functions, never a lambda:
// lambdas do not inherit the target's instruction set with every compiler.

#if FL_REFERENCE_PASS || defined(FALLLINE_SIMD_SWEEP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#if !FL_REFERENCE_PASS
#ifdef FALLLINE_SIMD_SWEEP_INL_H_
#undef FALLLINE_SIMD_SWEEP_INL_H_
#else
#define FALLLINE_SIMD_SWEEP_INL_H_
#endif
#endif

FL_BEGIN_TARGET

// One operand of a sweep: consecutive elements, or one element repeated.
template <class T>
struct Each {
  const T* p;
  FL_FN Pack<T> load(int64_t i) const { return Pack<T>::load(p + i); }
  FL_FN Pack<T> load_n(int64_t i, size_t n) const { return Pack<T>::load_n(p + i, n); }
};
template <class T>
struct Same {
  Pack<T> x;
  FL_FN Pack<T> load(int64_t) const { return x; }
  FL_FN Pack<T> load_n(int64_t, size_t) const { return x; }
};
template <class T>
struct Either {  // as the step says, 1 or 0
  const T* p;
  int64_t step;
  FL_FN Pack<T> load(int64_t i) const { return step ? Pack<T>::load(p + i) : Pack<T>(*p); }
  FL_FN Pack<T> load_n(int64_t i, size_t n) const { return step ? Pack<T>::load_n(p + i, n) : Pack<T>(*p); }
};

// out[i] = F::call(in[i]...)
template <class F, class T, class... In>
FL_FN void sweep(int64_t n, T* out, In... in) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  if (n == kLanes) return F::call(in.load(0)...).store(out);  // what a plan of few elements calls again and again
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const Pack<T> y0 = F::call(in.load(i)...), y1 = F::call(in.load(i + kLanes)...);
    y0.store(out + i);
    y1.store(out + i + kLanes);
  }
  for (; i + kLanes <= n; i += kLanes) F::call(in.load(i)...).store(out + i);
  if (i < n) {
    const size_t rest = static_cast<size_t>(n - i);
    F::call(in.load_n(i, rest)...).store_n(out + i, rest);
  }
}

FL_END_TARGET

#endif
