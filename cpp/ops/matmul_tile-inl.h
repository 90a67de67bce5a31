// The innermost loop: a few rows times a few registers of columns, all sums in registers.
// Per-target; included once per pass by matmul_kernels.cpp alone.

FL_BEGIN_TARGET

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
#elif HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
template <class T>
struct LastColumns {
  hn::ScalableTag<T> d;
  hn::Mask<hn::ScalableTag<T> > mask;
  FL_FN explicit LastColumns(size_t n) : mask(hn::FirstN(hn::ScalableTag<T>(), n)) {}
  FL_FN Pack<T> load(const T* p) const { return hn::MaskedLoad(mask, d, p); }
  FL_FN void store(Pack<T> x, T* p) const { hn::BlendedStore(x.v, mask, d, p); }
};
#else
template <class T>
struct LastColumns {
  size_t n;
  FL_FN explicit LastColumns(size_t columns) : n(columns) {}
  FL_FN Pack<T> load(const T* p) const { return Pack<T>::load_n(p, n); }
  FL_FN void store(Pack<T> x, T* p) const { x.store_n(p, n); }
};
#endif

template <class T, int kRows, int kVecs>
FL_FN void start_sums(const Tile<T>& t, Pack<T> (&sum)[kRows][kVecs]) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  FL_UNROLL
  for (int j = 0; j < kVecs; ++j) {
    Pack<T> x(T(0));
    if (t.bias) {
      const T* p = t.bias + j * kLanes;
      x = j < kVecs - 1 || t.columns == Pack<T>::kLanes ? Pack<T>::load(p) : Pack<T>::load_n(p, t.columns);
    }
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) sum[i][j] = x;
  }
  if (t.depth < 64) return;  // else c has left the cache when the sums are ready
  FL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) prefetch(t.c + i * t.c_stride + j * kLanes);
  }
}

// sum += a[:, k] b[k, :] for one k. left(i) is a[i, k].
template <bool kMask, class T, int kRows, int kVecs, class Left>
FL_FN void add_outer(Left left, const T* b, int64_t b_stride, LastColumns<T> last, Pack<T> (&sum)[kRows][kVecs]) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  constexpr int kLast = kVecs - 1;
  Pack<T> right[kVecs];
  FL_UNROLL
  for (int j = 0; j < kLast; ++j) right[j] = Pack<T>::load(b + j * kLanes);
  right[kLast] = kMask ? last.load(b + kLast * kLanes) : Pack<T>::load(b + kLast * kLanes);
  FL_UNROLL
  for (int j = 0; j < kVecs; ++j) prefetch(b + 12 * b_stride + j * kLanes);
  FL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    const Pack<T> x(left(i));
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) sum[i][j] = fma(x, right[j], sum[i][j]);
  }
}

template <class T>
struct ColumnOfLeft {
  const T* a;
  FL_FN T operator()(int i) const { return a[i]; }
};

// One pointer for three rows: with more pointers than registers, each would be fetched again for every k.
template <class T, int kRows>
struct RowsOfLeft {
  const T* group[(kRows + 2) / 3];
  int64_t stride;
  FL_FN T operator()(int i) const { return group[i / 3][i % 3 * stride]; }
  FL_FN void advance() {
    FL_UNROLL
    for (auto& a : group) a += 1;
  }
};

template <bool kByColumn, bool kMask, class T, int kRows, int kVecs>
FL_FN void add_products(const Tile<T>& t, Pack<T> (&sum)[kRows][kVecs]) {
  const int64_t a_stride = t.a_stride, b_stride = t.b_stride;
  const LastColumns<T> last(t.columns);
  const T* b = t.b;
  if constexpr (kByColumn) {
    ColumnOfLeft<T> left{t.a};
    for (int64_t k = t.depth; k > 0; --k) {
      prefetch(left.a + 16 * a_stride);
      add_outer<kMask>(left, b, b_stride, last, sum);
      left.a += a_stride;
      b += b_stride;
    }
  } else {
    RowsOfLeft<T, kRows> left;
    left.stride = a_stride;
    for (int g = 0; g < (kRows + 2) / 3; ++g) left.group[g] = t.a + 3 * g * a_stride;
    FL_UNROLL_TWICE
    for (int64_t k = t.depth; k > 0; --k) {
      add_outer<kMask>(left, b, b_stride, last, sum);
      left.advance();
      b += b_stride;
    }
  }
}

// kPart: the last register is not full, or masks cost nothing.
template <bool kPart, class T, int kRows, int kVecs>
FL_FN void store_sums(const Tile<T>& t, Pack<T> (&sum)[kRows][kVecs]) {
  const LastColumns<T> last(t.columns);
  FL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) {
      T* c = t.c + i * t.c_stride + j * static_cast<int64_t>(Pack<T>::kLanes);
      const bool part = kPart && j == kVecs - 1;
      if (t.add) sum[i][j] = (part ? last.load(c) : Pack<T>::load(c)) + sum[i][j];
      if (part) {
        last.store(sum[i][j], c);
      } else {
        sum[i][j].store(c);
      }
    }
  }
}

template <class T, int kRows, int kVecs, bool kByColumn, bool kMask>
void multiply_tile(const Tile<T>& t) {
  Pack<T> sum[kRows][kVecs];
  start_sums(t, sum);
  add_products<kByColumn, kMask>(t, sum);
  if (kMaskAlways || t.columns < Pack<T>::kLanes) {
    store_sums<true>(t, sum);
  } else {
    store_sums<false>(t, sum);
  }
}

FL_END_TARGET
