// The reductions for every SIMD target.
#include "ops/reduce_kernels.h"

#include <algorithm>

#include "simd/parallel.h"
#include "simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/reduce_kernels.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

FL_BEGIN_TARGET

#include "simd/math.inc.h"
#include "ops/reduce_rows-inl.h"
#include "ops/reduce_columns-inl.h"

namespace {

// Rows [begin, end) of n elements.
template <class Join, class T>
void join_each_row(const T* x, T* out, int64_t n, int64_t begin, int64_t end) {
  if (n > 0 && n <= kFew) return join_few_in_order<Join>(x + begin * n, n, end - begin, n, out + begin);
  for (int64_t i = begin; i < end; ++i) out[i] = join_row<Join>(x + i * n, n, Plain());
}

template <class T>
void logsumexp_each_row(const T* x, T* out, int64_t n, int64_t begin, int64_t end) {
  constexpr int64_t kBatch = 64;
  for (int64_t first = begin; first < end; first += kBatch) {
    const int64_t rows = end - first < kBatch ? end - first : kBatch;
    T shift[kBatch];
    join_each_row<Larger>(x + first * n, shift, n, 0, rows);
    for (int64_t i = 0; i < rows; ++i) shift[i] = shift_for(shift[i]);
    if (n > 0 && n <= kFew) {
      T few[few_size<T>(kBatch)];
      sum_exp_few(x + first * n, rows, n, shift, few, out + first);
    } else {
      for (int64_t i = 0; i < rows; ++i) out[first + i] = join_row<Plus>(x + (first + i) * n, n, ExpMinus<T>{shift[i]});
    }
    add_log(out + first, shift, rows,
            [&](int64_t i) { return join_row<Plus>(x + (first + i) * n, n, ExpBelowOne<T>{shift[i]}); });
  }
}

template <class T>
void logsumexp_columns(const T* x, int64_t n, int64_t stride, int64_t columns, T* out) {
  T shift[kColumns + static_cast<int64_t>(Pack<T>::kLanes)] = {};
  join_columns<Larger>(x, n, stride, columns, shift, PlainColumn());
  for (int64_t c = 0; c < columns; ++c) shift[c] = shift_for(shift[c]);
  join_columns<Plus>(x, n, stride, columns, out, ExpMinusColumn<T>{shift});
  add_log(out, shift, columns, [&](int64_t c) {
    T others;
    join_columns<Plus>(x + c, n, stride, 1, &others, ExpBelowOneColumn<T>{shift + c});
    return others;
  });
}

// The first place of the extreme of a row, or of the first NaN.
template <class Join, class T>
void find_in_each_row(const T* x, int64_t* out, int64_t n, int64_t begin, int64_t end) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  for (int64_t r = begin; r < end; ++r) {
    const T* row = x + r * n;
    const T best = join_row<Join>(row, n, Plain());
    const bool is_nan = best != best;
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      const Pack<T> v = Pack<T>::load(row + i);
      if (is_nan ? any(v != v) : any(v == Pack<T>(best))) break;
    }
    while (is_nan ? row[i] == row[i] : row[i] != best) ++i;
    out[r] = i;
  }
}

template <class Join, class T>
void find_in_columns(const T* x, int64_t n, int64_t stride, int64_t columns, int64_t* out) {
  T best[kColumns];
  for (int64_t c = 0; c < columns; ++c) {
    best[c] = x[c];
    out[c] = 0;
  }
  for (int64_t r = 1; r < n; ++r) {
    const T* row = x + r * stride;
    for (int64_t c = 0; c < columns; ++c) {
      const T v = row[c];
      const bool better = best[c] == best[c] && (v != v || (v != best[c] && Join::join(v, best[c]) == v));
      best[c] = better ? v : best[c];
      out[c] = better ? r : out[c];
    }
  }
}

// How each reduction treats rows of consecutive elements, and columns.
template <class Join>
struct Joined {
  template <class T>
  using Out = T;
  template <class T>
  static void rows(const T* x, T* out, int64_t n, int64_t begin, int64_t end) {
    join_each_row<Join>(x, out, n, begin, end);
  }
  template <class T>
  static void columns(const T* x, int64_t n, int64_t stride, int64_t columns, T* out) {
    join_columns<Join>(x, n, stride, columns, out, PlainColumn());
  }
};
struct Logsumexp {
  template <class T>
  using Out = T;
  template <class T>
  static void rows(const T* x, T* out, int64_t n, int64_t begin, int64_t end) {
    logsumexp_each_row(x, out, n, begin, end);
  }
  template <class T>
  static void columns(const T* x, int64_t n, int64_t stride, int64_t columns, T* out) {
    logsumexp_columns(x, n, stride, columns, out);
  }
};
template <class Join>
struct Found {
  template <class T>
  using Out = int64_t;
  template <class T>
  static void rows(const T* x, int64_t* out, int64_t n, int64_t begin, int64_t end) {
    find_in_each_row<Join>(x, out, n, begin, end);
  }
  template <class T>
  static void columns(const T* x, int64_t n, int64_t stride, int64_t columns, int64_t* out) {
    find_in_columns<Join>(x, n, stride, columns, out);
  }
};

// Elements that one piece of a shared job should read.
constexpr int64_t kPiece = 4 * kSweepGrain;

template <class Op, class T>
void run(const void* from, void* to, int64_t outer, int64_t n, int64_t inner) {
  const T* x = static_cast<const T*>(from);
  auto* out = static_cast<typename Op::template Out<T>*>(to);
  const int64_t row = n > 0 ? n : 1;
  if (inner == 1) {
    const auto body = [=](int64_t begin, int64_t end) { Op::rows(x, out, n, begin, end); };
    return for_chunks(outer, row < kPiece ? kPiece / row : 1, body, 2000);
  }
  const int64_t strips = (inner + kColumns - 1) / kColumns, wide = inner < kColumns ? inner : kColumns;
  const auto body = [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t o = i / strips, c = i % strips * kColumns;
      Op::columns(x + o * n * inner + c, n, inner, inner - c < kColumns ? inner - c : kColumns, out + o * inner + c);
    }
  };
  for_chunks(outer * strips, row * wide < kPiece ? kPiece / (row * wide) : 1, body, 2000);
}

template <class T>
double sum_squares(const void* x, int64_t n) {
  constexpr int64_t kPieces = 256;
  const T* p = static_cast<const T*>(x);
  if (n <= kBlock) return static_cast<double>(join_block<Plus>(p, n, Squared()));
  const int64_t blocks = (n + kBlock - 1) / kBlock, piece = (blocks + kPieces - 1) / kPieces * kBlock;
  double piece_sum[kPieces];
  const auto body = [&](int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t i = begin; i < end; i += kBlock)
      sum += static_cast<double>(join_block<Plus>(p + i, end - i < kBlock ? end - i : kBlock, Squared()));
    piece_sum[begin / piece] = sum;
  };
  for_chunks(n, piece, body);
  double sum = 0;
  for (int64_t i = 0; i * piece < n; ++i) sum += piece_sum[i];
  return sum;
}

// 32 running sums, added by halves.
template <class T>
double inner_piece(const T* x, const T* y, int64_t n) {
  using X = Pack<double>;
  constexpr int64_t kSums = 32, kLanes = static_cast<int64_t>(X::kLanes), kRegisters = kSums / kLanes;
  X sum[kRegisters];
  for (X& s : sum) s = X(0.0);
  for (int64_t i = 0; i < n; i += kSums) {
    const T *a = x + i, *b = y + i;
    T rest[2][kSums];
    if (n - i < kSums) {
      std::fill_n(rest[0], 2 * kSums, T(0));
      a = rest[0], b = rest[1];
      std::copy(x + i, x + n, rest[0]);
      std::copy(y + i, y + n, rest[1]);
    }
    FL_UNROLL
    for (int64_t j = 0; j < kRegisters; ++j) sum[j] = fma(wide(a + j * kLanes), wide(b + j * kLanes), sum[j]);
  }
  double sums[kSums];
  for (int64_t j = 0; j < kRegisters; ++j) sum[j].store(sums + j * kLanes);
  for (int64_t half = kSums / 2; half > 0; half /= 2)
    for (int64_t j = 0; j < half; ++j) sums[j] += sums[j + half];
  return sums[0];
}

template <class T>
double inner(const void* from_x, const void* from_y, int64_t n) {
  constexpr int64_t kPieces = 256;
  const T *x = static_cast<const T*>(from_x), *y = static_cast<const T*>(from_y);
  if (n <= kBlock) return inner_piece(x, y, n);
  const int64_t blocks = (n + kBlock - 1) / kBlock, piece = (blocks + kPieces - 1) / kPieces * kBlock;
  double piece_sum[kPieces];
  for_chunks(n, piece, [&](int64_t begin, int64_t end) {
    piece_sum[begin / piece] = inner_piece(x + begin, y + begin, end - begin);
  });
  double sum = 0;
  for (int64_t i = 0; i * piece < n; ++i) sum += piece_sum[i];
  return sum;
}

template <class T>
void add_squares(const void* from, int64_t rows, int64_t columns, int64_t stride, bool fresh, void* to) {
  using X = Pack<T>;
  constexpr int64_t kLanes = static_cast<int64_t>(X::kLanes);
  const T* const x = static_cast<const T*>(from);
  T* const sums = static_cast<T*>(to);
  for (int64_t j = 0; j < columns; j += kLanes) {
    const size_t n = static_cast<size_t>(std::min(kLanes, columns - j));
    X sum = fresh ? X(T(0)) : X::load_n(sums + j, n);
    for (int64_t i = 0; i < rows; ++i) {
      const X g = X::load_n(x + i * stride + j, n);
      sum = fma(g, g, sum);
    }
    sum.store_n(sums + j, n);
  }
}

}  // namespace

#define FL_BOTH(...) \
  { run<__VA_ARGS__, float>, run<__VA_ARGS__, double> }
constexpr ReduceKernels kReduceKernels = {
    FL_BOTH(Joined<Plus>),
    FL_BOTH(Joined<Times>),
    FL_BOTH(Joined<Larger>),
    FL_BOTH(Joined<Smaller>),
    FL_BOTH(Logsumexp),
    FL_BOTH(Found<Larger>),
    FL_BOTH(Found<Smaller>),
    {sum_squares<float>, sum_squares<double>},
    {inner<float>, inner<double>},
    {add_squares<float>, add_squares<double>},
};
#undef FL_BOTH

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(ReduceKernels, reduce_kernels, kReduceKernels)
#endif
