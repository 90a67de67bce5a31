// One row of consecutive elements down to one number, in an order that depends on its length alone.
// Per-target: included inside the target's namespace, after simd/math.inc.h. No guard.

// The binary tree over a stream of equal parts: a part is joined with its neighbour as soon as both exist, like the
// carry of a counter. At the end what is left is joined from the right.
template <class Join, class T>
struct Tree {
  T level[64];
  uint64_t parts = 0;
  FL_FN void push(T part) {
    int i = 0;
    for (; (parts >> i) & 1; ++i) part = Join::join(level[i], part);
    level[i] = part;
    ++parts;
  }
  FL_FN T result() const {
    if (parts == 0) return T(Join::kEmpty);
    int i = 0;
    while (!((parts >> i) & 1)) ++i;
    T right = level[i];
    for (++i; parts >> i; ++i) {
      if ((parts >> i) & 1) right = Join::join(level[i], right);
    }
    return right;
  }
};

struct Plus {
  static constexpr double kEmpty = -0.0;  // added to -0 it leaves -0
  template <class X>
  static FL_FN X join(X a, X b) {
    return a + b;
  }
};
struct Times {
  static constexpr double kEmpty = 1;
  template <class X>
  static FL_FN X join(X a, X b) {
    return a * b;
  }
};

// Either is NaN: so is the result.
struct Larger {
  static constexpr double kEmpty = -HUGE_VAL;
  template <class T>
  static FL_FN Pack<T> join(Pack<T> a, Pack<T> b) {
    return select(a == a, max(a, b), a);
  }
  template <class T>
  static FL_FN T join(T a, T b) {
    return a > b || a != a ? a : b;
  }
};
struct Smaller {
  static constexpr double kEmpty = HUGE_VAL;
  template <class T>
  static FL_FN Pack<T> join(Pack<T> a, Pack<T> b) {
    return select(a == a, min(a, b), a);
  }
  template <class T>
  static FL_FN T join(T a, T b) {
    return a < b || a != a ? a : b;
  }
};

// What is joined: the elements themselves, or e^(x - m).
struct Plain {
  template <class T>
  FL_FN Pack<T> operator()(Pack<T> x) const {
    return x;
  }
};
struct Squared {
  template <class T>
  FL_FN Pack<T> operator()(Pack<T> x) const {
    return x * x;
  }
};
template <class T>
struct ExpMinus {
  T m;
  FL_FN Pack<T> operator()(Pack<T> x) const { return exp(x - Pack<T>(m)); }
};
// Exponentials without the largest, which is 1: of elements that hold them, or of x.
struct BelowOne {
  template <class T>
  FL_FN Pack<T> operator()(Pack<T> e) const {
    return select(e < Pack<T>(T(1)), e, T(0));
  }
};
template <class T>
struct ExpBelowOne {
  T m;
  FL_FN Pack<T> operator()(Pack<T> x) const { return BelowOne()(exp(x - Pack<T>(m))); }
};

constexpr int64_t kBlock = 4096;
constexpr int64_t kFew = 16;
template <class T>
constexpr int64_t kVirtual = 256 / static_cast<int64_t>(sizeof(T));

// x[0] joined with the next ones in order.
template <class Join, class T>
FL_FN T join_in_order(const T* x, int64_t n) {
  T sum = n > 0 ? x[0] : T(Join::kEmpty) + T(0);
  for (int64_t i = 1; i < n; ++i) sum = Join::join(sum, x[i]);
  return sum;
}

// The same for many short rows, which lie `pitch` apart: four at a time, or each would wait for its own last sum.
template <class Join, class T>
FL_FN void join_few_in_order(const T* x, int64_t pitch, int64_t rows, int64_t n, T* out) {
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const T *x0 = x + r * pitch, *x1 = x0 + pitch, *x2 = x1 + pitch, *x3 = x2 + pitch;
    T a = x0[0], b = x1[0], c = x2[0], d = x3[0];
    for (int64_t i = 1; i < n; ++i) {
      a = Join::join(a, x0[i]);
      b = Join::join(b, x1[i]);
      c = Join::join(c, x2[i]);
      d = Join::join(d, x3[i]);
    }
    out[r] = a;
    out[r + 1] = b;
    out[r + 2] = c;
    out[r + 3] = d;
  }
  for (; r < rows; ++r) out[r] = join_in_order<Join>(x + r * pitch, n);
}

// The first half joined with the second, until one is left; `width` is a power of two.
template <class Join, class T>
FL_FN T join_by_halves(T* lane, int64_t width) {
  for (int64_t half = width / 2; half > 0; half /= 2) {
    for (int64_t j = 0; j < half; ++j) lane[j] = Join::join(lane[j], lane[j + half]);
  }
  return lane[0];
}

// At least as many elements as virtual lanes: lane j joins elements j, j + kVirtual, ... in order.
template <class Join, class T, class Map>
T join_lanes(const T* x, int64_t n, Map map) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes), kPacks = kVirtual<T> / kLanes;
  Pack<T> sum[kPacks];
  for (int64_t j = 0; j < kPacks; ++j) sum[j] = map(Pack<T>::load(x + j * kLanes));
  int64_t i = kVirtual<T>;
  for (; i + kVirtual<T> <= n; i += kVirtual<T>) {
    for (int64_t j = 0; j < kPacks; ++j) sum[j] = Join::join(sum[j], map(Pack<T>::load(x + i + j * kLanes)));
  }
  T lane[kVirtual<T>];
  if (i < n) {
    for (int64_t j = 0; j < kPacks; ++j) sum[j].store(lane + j * kLanes);
    int64_t j = 0;
    for (; i + kLanes <= n; i += kLanes, j += kLanes) {
      Join::join(Pack<T>::load(lane + j), map(Pack<T>::load(x + i))).store(lane + j);
    }
    if (i < n) {
      const size_t rest = static_cast<size_t>(n - i);
      Join::join(Pack<T>::load_n(lane + j, rest), map(Pack<T>::load_n(x + i, rest))).store_n(lane + j, rest);
    }
    for (j = 0; j < kPacks; ++j) sum[j] = Pack<T>::load(lane + j * kLanes);
  }
  for (int64_t half = kPacks / 2; half > 0; half /= 2) {
    for (int64_t j = 0; j < half; ++j) sum[j] = Join::join(sum[j], sum[j + half]);
  }
  sum[0].store(lane);
  return join_by_halves<Join>(lane, kLanes);
}

// One block of at most kBlock elements: a few in order, else in virtual lanes and then by halves.
template <class Join, class T, class Map>
T join_block(const T* x, int64_t n, Map map) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  if (n >= kVirtual<T>) return join_lanes<Join>(x, n, map);
  if (std::is_same_v<Map, Plain> && n <= kFew) return join_in_order<Join>(x, n);
  T lane[kVirtual<T>];  // written in whole registers: scalar loads would wait for a masked store
  for (int64_t i = 0; i < n; i += kLanes) {
    map(Pack<T>::load_n(x + i, static_cast<size_t>(n - i < kLanes ? n - i : kLanes))).store(lane + i);
  }
  if (n <= kFew) return join_in_order<Join>(lane, n);
  // Lanes without an element count as empty, which changes nothing: start from the halves that have some.
  int64_t width = kVirtual<T>;
  while (width / 2 >= n) width /= 2;
  for (int64_t i = n; i < width; ++i) lane[i] = T(Join::kEmpty);
  return join_by_halves<Join>(lane, width);
}

// Blocks [first, last) of a row of n elements.
template <class Join, class T, class Map>
T join_blocks(const T* x, int64_t n, int64_t first, int64_t last, Map map) {
  Tree<Join, T> tree;
  for (int64_t block = first; block < last; ++block) {
    const int64_t begin = block * kBlock;
    tree.push(join_block<Join>(x + begin, n - begin < kBlock ? n - begin : kBlock, map));
  }
  return tree.result();
}

// A whole row. A long one is shared: threads take sub-trees of kShare blocks, so the tree as a whole stays the same.
template <class Join, class T, class Map>
T join_row(const T* x, int64_t n, Map map) {
  constexpr int64_t kShare = 16, kRound = 512;
  if (n <= kBlock) return join_block<Join>(x, n, map);
  const int64_t blocks = (n + kBlock - 1) / kBlock;
  if (blocks <= kShare) return join_blocks<Join>(x, n, 0, blocks, map);
  const int64_t shares = (blocks + kShare - 1) / kShare;
  Tree<Join, T> tree;
  for (int64_t first = 0; first < shares; first += kRound) {
    T part[kRound];
    const int64_t parts = shares - first < kRound ? shares - first : kRound;
    auto body = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t block = (first + i) * kShare;
        part[i] = join_blocks<Join>(x, n, block, block + kShare < blocks ? block + kShare : blocks, map);
      }
    };
    for_chunks(parts, 1, body, 4000);
    for (int64_t i = 0; i < parts; ++i) tree.push(part[i]);
  }
  return tree.result();
}

// A finite number to subtract before exp: m itself unless it is infinite or NaN.
template <class T>
FL_FN T shift_for(T m) {
  return m - m == T(0) ? m : T(0);
}

// sum[i] = log(sum[i]) + shift[i]. Where little more than the 1 of the largest is in the sum, and the shift does not
// outweigh it, others(i) is asked for the sum without that 1, whose digits were lost.
template <class T, class Others>
FL_FN void add_log(T* sum, const T* shift, int64_t n, const Others& others) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  for (int64_t i = 0; i < n; i += kLanes) {
    const size_t rest = static_cast<size_t>(n - i < kLanes ? n - i : kLanes);
    (log(Pack<T>::load_n(sum + i, rest)) + Pack<T>::load_n(shift + i, rest)).store_n(sum + i, rest);
  }
  for (int64_t i = 0; i < n; ++i) {
    if (shift[i] * shift[i] < T(1) && sum[i] - shift[i] < T(0.5) && sum[i] >= shift[i]) {
      sum[i] = shift[i] + log1p(Pack<T>(others(i))).first();
    }
  }
}

// What sum_exp_few writes for `rows` rows of at most kFew elements, with room for one more register.
template <class T>
constexpr int64_t few_size(int64_t rows) {
  return rows * kFew + 64 / static_cast<int64_t>(sizeof(T));
}

// few = exp(x - shift of the row), sum = the sums of its rows, for rows of n <= kFew elements. Each step is taken for
// all rows, so that a row does not wait for the one before, and registers are full although rows are short.
template <class T>
FL_FN void sum_exp_few(const T* x, int64_t rows, int64_t n, const T* shift, T* few, T* sum) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t c = 0; c < n; c += kLanes) {  // what is stored beyond a row, the next row overwrites
      const Pack<T> row = Pack<T>::load_n(x + i * n + c, static_cast<size_t>(n - c < kLanes ? n - c : kLanes));
      (row - Pack<T>(shift[i])).store(few + i * n + c);
    }
  }
  for (int64_t i = 0; i < rows * n; i += kLanes) exp(Pack<T>::load(few + i)).store(few + i);
  join_few_in_order<Plus>(few, n, rows, n, sum);
}
