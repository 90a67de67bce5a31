// The innermost loop: a few rows times a few registers of columns, all sums in registers.
// Per-target; included once per pass by matmul_kernels.cpp alone.

FL_BEGIN_TARGET

#if defined(__clang__)
#define FL_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define FL_UNROLL _Pragma("GCC unroll 16")
#else
#define FL_UNROLL
#endif

// Rows of a tile of two registers: as many as leave room for the operands.
#if FL_REFERENCE_PASS
constexpr int kTileRows = 4, kRegisters = 32;
#elif HWY_TARGET == HWY_AVX3
constexpr int kTileRows = 14, kRegisters = 32;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4
constexpr int kTileRows = 6, kRegisters = 16;
#else
constexpr int kTileRows = 12, kRegisters = 32;
#endif

template <class T>
struct Tile {
  int64_t depth;
  const T* a;
  int64_t a_stride;  // between rows or between columns; the other stride is one
  const T* b;
  int64_t b_stride;  // between rows
  T* c;
  int64_t c_stride;
  const T* bias;   // null: start at zero
  bool add;        // to what c holds
  size_t columns;  // of the last register that count
};

// Masked loads of the last register are free with AVX-512; elsewhere only an unpacked edge pays for them.
#if !FL_REFERENCE_PASS && HWY_TARGET == HWY_AVX3
constexpr bool kMaskAlways = true;
#else
constexpr bool kMaskAlways = false;
#endif

// Which columns of the last register count, worked out once per tile.
#if FL_REFERENCE_PASS
template <class T>
struct LastColumns {
  explicit LastColumns(size_t) {}
  Pack<T> load(const T* p) const { return Pack<T>::load(p); }
  void store(Pack<T> x, T* p) const { x.store(p); }
};
#else
template <class T>
struct LastColumns {
  hn::ScalableTag<T> d;
  hn::Mask<hn::ScalableTag<T> > mask;
  FL_FN explicit LastColumns(size_t n) : mask(hn::FirstN(hn::ScalableTag<T>(), n)) {}
  FL_FN Pack<T> load(const T* p) const { return hn::MaskedLoad(mask, d, p); }
  FL_FN void store(Pack<T> x, T* p) const { hn::BlendedStore(x.v, mask, d, p); }
};
#endif

template <class T>
FL_FN void prefetch(const T* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p);
#else
  (void)p;
#endif
}

template <class T, int kRows, int kVecs, bool kByColumn, bool kMask>
void multiply_tile(const Tile<T>& t) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  constexpr int kLast = kVecs - 1;
  constexpr size_t kFull = Pack<T>::kLanes;
  Pack<T> sum[kRows][kVecs];
  if (t.bias) {
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) {
      const Pack<T> start = j < kLast || t.columns == kFull ? Pack<T>::load(t.bias + j * kLanes)
                                                            : Pack<T>::load_n(t.bias + j * kLanes, t.columns);
      FL_UNROLL
      for (int i = 0; i < kRows; ++i) sum[i][j] = start;
    }
  } else {
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      FL_UNROLL
      for (int j = 0; j < kVecs; ++j) sum[i][j] = Pack<T>(T(0));
    }
  }

  if (t.depth > 64) {
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      FL_UNROLL
      for (int j = 0; j < kVecs; ++j) prefetch(t.c + i * t.c_stride + j * kLanes);
    }
  }
  const T* a = t.a;
  const T* b = t.b;
  const int64_t a_stride = t.a_stride, b_stride = t.b_stride;
  const size_t columns = t.columns;
  const LastColumns<T> last(columns);
  for (int64_t k = t.depth; k > 0; --k) {
    Pack<T> right[kVecs];
    FL_UNROLL
    for (int j = 0; j < kLast; ++j) right[j] = Pack<T>::load(b + j * kLanes);
    right[kLast] = kMask ? last.load(b + kLast * kLanes) : Pack<T>::load(b + kLast * kLanes);
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) prefetch(b + 12 * b_stride + j * kLanes);
    if constexpr (kByColumn) prefetch(a + 16 * a_stride);
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const Pack<T> left(kByColumn ? a[i] : a[i * a_stride]);
      FL_UNROLL
      for (int j = 0; j < kVecs; ++j) sum[i][j] = fma(left, right[j], sum[i][j]);
    }
    a += kByColumn ? a_stride : 1;
    b += b_stride;
  }

  T* c = t.c;
  if (kMaskAlways || t.columns == kFull) {
    if (t.add) {
      FL_UNROLL
      for (int i = 0; i < kRows; ++i) {
        FL_UNROLL
        for (int j = 0; j < kLast; ++j) sum[i][j] = Pack<T>::load(c + i * t.c_stride + j * kLanes) + sum[i][j];
        const T* p = c + i * t.c_stride + kLast * kLanes;
        sum[i][kLast] = (kMaskAlways ? last.load(p) : Pack<T>::load(p)) + sum[i][kLast];
      }
    }
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      FL_UNROLL
      for (int j = 0; j < kLast; ++j) sum[i][j].store(c + i * t.c_stride + j * kLanes);
      if constexpr (kMaskAlways) {
        last.store(sum[i][kLast], c + i * t.c_stride + kLast * kLanes);
      } else {
        sum[i][kLast].store(c + i * t.c_stride + kLast * kLanes);
      }
    }
  } else {
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      FL_UNROLL
      for (int j = 0; j < kVecs; ++j) {
        const size_t n = j < kLast ? kFull : columns;
        T* p = c + i * t.c_stride + j * kLanes;
        (t.add ? Pack<T>::load_n(p, n) + sum[i][j] : sum[i][j]).store_n(p, n);
      }
    }
  }
}

FL_END_TARGET
