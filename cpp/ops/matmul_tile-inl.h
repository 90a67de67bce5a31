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
  T* b_copy;         // where a tile with kCopy leaves its columns of b, one register after the other
  T* c;
  int64_t c_stride;
  const T* bias;          // of the columns; null: start at zero
  const T* bias_of_rows;  // instead of it, or null
  bool add;               // to what c holds
  Epilogue epilogue;
  const T* y;  // that the epilogue reads
  int64_t y_stride;
  size_t columns;  // of the last register that count
};

// Deeper tiles ask for memory in advance. What a flatter one reads is in the cache or soon is, and what lies behind it
// may be no memory at all, which costs a search through the page tables for every row.
constexpr int64_t kDeep = 128;

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
  if (t.bias_of_rows) {
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      FL_UNROLL
      for (int j = 0; j < kVecs; ++j) sum[i][j] = Pack<T>(t.bias_of_rows[i]);
    }
  }
  if (t.depth <= kDeep) return;  // else c has left the cache when the sums are ready
  FL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) prefetch(t.c + i * t.c_stride + j * kLanes);
  }
}

// sum += a[:, k] b[k, :] for one k. left(i) is a[i, k].
template <bool kMask, bool kCopy, class T, int kRows, int kVecs, class Left>
FL_FN void add_outer(Left left, const T* b, const T* b_ahead, T* copy, LastColumns<T> last,
                     Pack<T> (&sum)[kRows][kVecs]) {
  constexpr int64_t kLanes = Pack<T>::kLanes;
  constexpr int kLast = kVecs - 1;
  Pack<T> right[kVecs];
  FL_UNROLL
  for (int j = 0; j < kLast; ++j) right[j] = Pack<T>::load(b + j * kLanes);
  right[kLast] = kMask ? last.load(b + kLast * kLanes) : Pack<T>::load(b + kLast * kLanes);
  if (kCopy) {
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) right[j].store(copy + j * kLanes);
  }
  FL_UNROLL
  for (int j = 0; j < kVecs; ++j) prefetch(b_ahead + j * kLanes);
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

template <bool kByColumn, bool kMask, bool kCopy, class T, int kRows, int kVecs>
FL_FN void add_products(const Tile<T>& t, Pack<T> (&sum)[kRows][kVecs]) {
  const int64_t a_stride = t.a_stride, b_stride = t.b_stride;
  const LastColumns<T> last(t.columns);
  const bool deep = t.depth > kDeep;
  const int64_t a_ahead = deep ? 16 * a_stride : 0;
  const T *b = t.b, *b_ahead = deep ? b + 12 * b_stride : b;
  T* copy = t.b_copy;
  if constexpr (kByColumn) {
    ColumnOfLeft<T> left{t.a};
    for (int64_t k = t.depth; k > 0; --k) {
      prefetch(left.a + a_ahead);
      add_outer<kMask, kCopy>(left, b, b_ahead, copy, last, sum);
      left.a += a_stride;
      b += b_stride;
      b_ahead += b_stride;
      if (kCopy) copy += kVecs * Pack<T>::kLanes;
    }
  } else {
    RowsOfLeft<T, kRows> left;
    left.stride = a_stride;
    const T* row = t.a;
    for (auto& a : left.group) {  // by additions: the first loads wait for these pointers
      a = row;
      row += 3 * a_stride;
    }
    FL_UNROLL_TWICE
    for (int64_t k = t.depth; k > 0; --k) {
      add_outer<kMask, kCopy>(left, b, b_ahead, copy, last, sum);
      left.advance();
      b += b_stride;
      b_ahead += b_stride;
      if (kCopy) copy += kVecs * Pack<T>::kLanes;
    }
  }
}

// What becomes of the sums, row by row of memory at p.
struct AddStored {
  template <class T>
  static FL_FN Pack<T> call(Pack<T> sum, Pack<T> at) {
    return at + sum;
  }
};
struct TimesReluGrad {
  template <class T>
  static FL_FN Pack<T> call(Pack<T> sum, Pack<T> at) {
    return sum * Relu::df(at, at);
  }
};
template <class F, bool kPart, class T, int kRows, int kVecs>
FL_FN void join_sums(const T* row, int64_t stride, LastColumns<T> last, Pack<T> (&sum)[kRows][kVecs]) {
  FL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) {
      const T* p = row + j * static_cast<int64_t>(Pack<T>::kLanes);
      sum[i][j] = F::call(sum[i][j], kPart && j == kVecs - 1 ? last.load(p) : Pack<T>::load(p));
    }
    row += stride;
  }
}

template <bool kPart, class T, int kRows, int kVecs>
FL_FN void store_sums(T* row, int64_t stride, LastColumns<T> last, Pack<T> (&sum)[kRows][kVecs]) {
  FL_UNROLL
  for (int i = 0; i < kRows; ++i) {
    FL_UNROLL
    for (int j = 0; j < kVecs; ++j) {
      T* p = row + j * static_cast<int64_t>(Pack<T>::kLanes);
      if (kPart && j == kVecs - 1) {
        last.store(sum[i][j], p);
      } else {
        sum[i][j].store(p);
      }
    }
    row += stride;
  }
}

// kPart: the last register is not full, or masks cost nothing.
template <bool kPart, class T, int kRows, int kVecs>
FL_FN void finish_sums(const Tile<T>& t, Pack<T> (&sum)[kRows][kVecs]) {
  const LastColumns<T> last(t.columns);
  if (t.add) join_sums<AddStored, kPart>(t.c, t.c_stride, last, sum);
  if (t.epilogue == Epilogue::kReluGrad) {
    join_sums<TimesReluGrad, kPart>(t.y, t.y_stride, last, sum);
  } else if (t.epilogue == Epilogue::kRelu) {
    FL_UNROLL
    for (int i = 0; i < kRows; ++i) {
      FL_UNROLL
      for (int j = 0; j < kVecs; ++j) sum[i][j] = Relu::f(sum[i][j]);
    }
  }
  store_sums<kPart>(t.c, t.c_stride, last, sum);
}

template <class T, int kRows, int kVecs, bool kByColumn, bool kMask, bool kCopy>
void multiply_tile(const Tile<T>& t) {
  Pack<T> sum[kRows][kVecs];
  start_sums(t, sum);
  add_products<kByColumn, kMask, kCopy>(t, sum);
  if (kMaskAlways || t.columns < Pack<T>::kLanes) {
    finish_sums<true>(t, sum);
  } else {
    finish_sums<false>(t, sum);
  }
}

// Rows of the next tile when so many are left: a full tile, but the last two share evenly. 32 rows are 14 + 9 + 9, for
// a tile of four rows would have too few sums to hide the latency of fma.
constexpr int64_t next_tile(int64_t left) {
  return left >= 2 * kTileRows ? kTileRows : left > kTileRows ? (left + 1) / 2 : left;
}

template <class T>
using TileFunction = void (*)(const Tile<T>&);

// Registers of columns in the widest tile.
constexpr int kWidest = 8;

// Few rows take more columns, so that there are enough sums to hide the latency of fma.
constexpr int wide_vecs(int rows) {
  const int sums = kRegisters * 3 / 4;
  return rows * kWidest <= sums ? kWidest : rows * 4 <= sums ? 4 : 2;
}

template <class T, int kVecs, bool kByColumn, bool kMask, bool kCopy, int... kRow>
TileFunction<T> choose_rows(int64_t rows, std::integer_sequence<int, kRow...>) {
  static constexpr TileFunction<T> kTable[] = {multiply_tile < T, kRow + 1, kVecs == 0 ? wide_vecs(kRow + 1) : kVecs,
                                               kByColumn,         kMask,    kCopy > ...};
  return kTable[rows - 1];
}

// More than two registers: as many as wide_vecs says, none of them cut short. The same holds for a tile that copies.
template <class T, bool kByColumn>
TileFunction<T> choose_tile(int64_t rows, int vecs, bool mask, bool copy) {
  constexpr std::make_integer_sequence<int, kTileRows> kRows{};
  constexpr bool kPlain = kMaskAlways, kMasked = kHasMasks;
  if (copy) return choose_rows<T, 2, kByColumn, kPlain, true>(rows, kRows);
  if (vecs == 1) {
    return mask ? choose_rows<T, 1, kByColumn, kMasked, false>(rows, kRows)
                : choose_rows<T, 1, kByColumn, kPlain, false>(rows, kRows);
  }
  if (vecs == 2) {
    return mask ? choose_rows<T, 2, kByColumn, kMasked, false>(rows, kRows)
                : choose_rows<T, 2, kByColumn, kPlain, false>(rows, kRows);
  }
  return choose_rows<T, 0, kByColumn, kPlain, false>(rows, kRows);
}

FL_END_TARGET
