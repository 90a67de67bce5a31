// n rows down to one, all columns at once, each in an order that depends on n alone.
// Per-target: included inside the target's namespace, after ops/reduce_rows-inl.h. No guard.

constexpr int64_t kGroup = 256;    // rows added in order before the tree begins
constexpr int64_t kColumns = 256;  // columns whose running sums stay in the nearest cache

struct PlainColumn {
  template <class T>
  FL_FN Pack<T> operator()(Pack<T> x, int64_t) const {
    return x;
  }
};
template <class T>
struct ExpMinusColumn {
  const T* m;  // padded: a whole register may be read at any column
  FL_FN Pack<T> operator()(Pack<T> x, int64_t c) const { return exp(x - Pack<T>::load(m + c)); }
};
template <class T>
struct ExpBelowOneColumn {
  const T* m;
  FL_FN Pack<T> operator()(Pack<T> x, int64_t c) const { return BelowOne()(ExpMinusColumn<T>{m}(x, c)); }
};

// sum[c] = the join of map(row r at c) over the rows, in order.
template <class Join, class T, class Map>
void join_rows(const T* x, int64_t rows, int64_t stride, int64_t columns, T* sum, const Map& map) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes), kAtOnce = 8;
  const Pack<T> empty = T(Join::kEmpty);
  for (int64_t r = 0; r < rows; r += kAtOnce) {
    const T* row = x + r * stride;
    const int64_t some = rows - r < kAtOnce ? rows - r : kAtOnce;
    int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) {
      Pack<T> s = r == 0 ? empty : Pack<T>::load(sum + c);
      if (std::is_same_v<Map, PlainColumn> && some == kAtOnce) {
        for (int64_t i = 0; i < kAtOnce; ++i) s = Join::join(s, Pack<T>::load(row + i * stride + c));
      } else {
        for (int64_t i = 0; i < some; ++i) s = Join::join(s, map(Pack<T>::load(row + i * stride + c), c));
      }
      s.store(sum + c);
    }
    if (c < columns) {
      const size_t rest = static_cast<size_t>(columns - c);
      Pack<T> s = r == 0 ? empty : Pack<T>::load_n(sum + c, rest);
      for (int64_t i = 0; i < some; ++i) s = Join::join(s, map(Pack<T>::load_n(row + i * stride + c, rest), c));
      s.store_n(sum + c, rest);
    }
  }
}

template <class Join, class T>
FL_FN void join_sums(const T* left, T* right, int64_t columns) {
  for (int64_t c = 0; c < columns; ++c) right[c] = Join::join(left[c], right[c]);
}

// At most kColumns columns of n rows: groups of kGroup rows, joined by the tree of reduce_rows-inl.h.
template <class Join, class T, class Map>
void join_columns(const T* x, int64_t n, int64_t stride, int64_t columns, T* out, const Map& map) {
  if (n == 0) {
    for (int64_t c = 0; c < columns; ++c) out[c] = T(Join::kEmpty) + T(0);
    return;
  }
  if (n <= kGroup) return join_rows<Join>(x, n, stride, columns, out, map);
  constexpr int kLevels = 40;
  T level[kLevels][kColumns];
  uint64_t groups = 0;
  for (int64_t r = 0; r < n; r += kGroup) {
    T part[kColumns];
    join_rows<Join>(x + r * stride, n - r < kGroup ? n - r : kGroup, stride, columns, part, map);
    int i = 0;
    for (; (groups >> i) & 1; ++i) join_sums<Join>(level[i], part, columns);
    for (int64_t c = 0; c < columns; ++c) level[i][c] = part[c];
    ++groups;
  }
  int i = 0;
  while (!((groups >> i) & 1)) ++i;
  for (int64_t c = 0; c < columns; ++c) out[c] = level[i][c];
  for (++i; groups >> i; ++i) {
    if ((groups >> i) & 1) join_sums<Join>(level[i], out, columns);
  }
}
