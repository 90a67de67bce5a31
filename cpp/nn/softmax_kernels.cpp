// Softmax and cross entropy for every SIMD target.
#include "nn/softmax_kernels.h"

#include "simd/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "nn/softmax_kernels.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"
#include "simd/sweep-inl.h"

FL_BEGIN_TARGET

#include "simd/math.inc.h"
#include "ops/reduce_rows-inl.h"

namespace {

// The largest element, to subtract before exp; NaN need not be found, since the sum will be NaN.
struct Top {
  static constexpr double kEmpty = -HUGE_VAL;
  template <class T>
  static FL_FN Pack<T> join(Pack<T> a, Pack<T> b) {
    return max(b, a);
  }
  template <class T>
  static FL_FN T join(T a, T b) {
    return b > a ? b : a;
  }
};

// Formulas of one element for `sweep`.
struct ExpOf {
  template <class X>
  static FL_FN X call(X x, X m) {
    return exp(x - m);
  }
};
struct ProductOf {
  template <class X>
  static FL_FN X call(X x, X y) {
    return x * y;
  }
};
struct LogSoftmaxOf {
  template <class X>
  static FL_FN X call(X x, X m, X log_sum) {
    return (x - m) - log_sum;
  }
};
struct SoftmaxGradOf {
  template <class X>
  static FL_FN X call(X g, X y, X dot) {
    return y * (g - dot);
  }
};
struct LogSoftmaxGradOf {
  template <class X>
  static FL_FN X call(X g, X y, X sum) {
    return select(y > X(-0.5), (g - sum) - expm1(y) * sum, g - exp(y) * sum);  // g - p sum, where p is nearly 1 too
  }
};
struct SoftLossOf {  // a class of probability 0 does not count, even where its score is -inf
  template <class X>
  static FL_FN X call(X x, X t, X m, X log_sum) {
    return select(t == X(0), X(0), t * (log_sum - (x - m)));
  }
};
struct SoftGradOf {  // (p all - t) g, where p = e inverse; rest is 1 - p of the largest class, whose e is 1
  template <class X>
  static FL_FN X call(X e, X t, X inverse, X rest, X all, X g) {
    return select(e == X(1), (all - t) - rest * all, e * inverse * all - t) * g;
  }
};

// Rows that are treated together, each step for all of them: so that the next row does not wait for the last, and
// logarithms and divisions are taken a register at a time.
constexpr int64_t kBatch = 64;
//
// A class that is nearly certain has a loss and a gradient as small as the others' exponentials together: `others` is
// their sum without its 1, kept where it is below 1, and `rest` the largest class's 1 - p.
template <class T>
struct Batch {
  T shift[kBatch], sum[kBatch], others[kBatch], log_sum[kBatch], inverse[kBatch], rest[kBatch];
  T few[few_size<T>(kBatch)];  // the exponentials of short rows
  const T* e;                  // all exponentials, row after row; null when they were not kept
};

// Rows of more than kFew scores; the exponentials go to `keep`, unless it is null.
template <class T>
FL_FN void exp_many(const T* x, int64_t rows, int64_t n, T* keep, Batch<T>& batch) {
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = x + i * n;
    const T shift = batch.shift[i] = shift_for(join_row<Top>(row, n, Plain()));
    if (keep) {
      sweep<ExpOf>(n, keep + i * n, Each<T>{row}, Same<T>{Pack<T>(shift)});
      batch.sum[i] = join_row<Plus>(keep + i * n, n, Plain());
    } else {
      batch.sum[i] = join_row<Plus>(row, n, ExpMinus<T>{shift});
    }
  }
  batch.e = keep;
}

// The sums without the largest class, of rows where the rest is below 1.
template <class T>
FL_FN void sum_others(const T* x, int64_t rows, int64_t n, Batch<T>& batch) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  if (n <= kFew) {
    T below[few_size<T>(kBatch)];
    for (int64_t i = 0; i < rows * n; i += kLanes) BelowOne()(Pack<T>::load(batch.few + i)).store(below + i);
    return join_few_in_order<Plus>(below, n, rows, n, batch.others);
  }
  for (int64_t i = 0; i < rows; ++i) {
    if (!(batch.sum[i] < T(2))) continue;
    batch.others[i] = batch.e ? join_row<Plus>(batch.e + i * n, n, BelowOne())
                              : join_row<Plus>(x + i * n, n, ExpBelowOne<T>{batch.shift[i]});
  }
}

template <class T>
void fill(Batch<T>& batch, const T* x, int64_t rows, int64_t n, T* keep) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  if (n <= kFew) {
    join_few_in_order<Top>(x, n, rows, n, batch.shift);
    for (int64_t i = 0; i < rows; ++i) batch.shift[i] = shift_for(batch.shift[i]);
    sum_exp_few(x, rows, n, batch.shift, batch.few, batch.sum);
    batch.e = batch.few;
  } else {
    exp_many(x, rows, n, keep, batch);
  }
  sum_others(x, rows, n, batch);
  for (int64_t i = 0; i < rows; i += kLanes) {
    const size_t rest = static_cast<size_t>(rows - i < kLanes ? rows - i : kLanes);
    const Pack<T> sum = Pack<T>::load_n(batch.sum + i, rest), others = Pack<T>::load_n(batch.others + i, rest);
    const Pack<T> one = T(1), inverse = one / sum;
    const auto certain = (sum >= one) & (sum < Pack<T>(T(2)));
    select(certain, log1p(others), log(sum)).store_n(batch.log_sum + i, rest);
    inverse.store_n(batch.inverse + i, rest);
    select(certain, others * inverse, one - inverse).store_n(batch.rest + i, rest);
  }
}

template <class T>
void softmax_batch(const T* x, T* y, int64_t rows, int64_t n) {
  Batch<T> batch;
  fill(batch, x, rows, n, y);
  for (int64_t i = 0; i < rows; ++i) {
    sweep<ProductOf>(n, y + i * n, Each<T>{batch.e + i * n}, Same<T>{Pack<T>(batch.inverse[i])});
  }
}

template <class T>
void log_softmax_batch(const T* x, T* y, int64_t rows, int64_t n) {
  Batch<T> batch;
  fill(batch, x, rows, n, static_cast<T*>(nullptr));
  for (int64_t i = 0; i < rows; ++i) {
    sweep<LogSoftmaxOf>(n, y + i * n, Each<T>{x + i * n}, Same<T>{Pack<T>(batch.shift[i])},
                        Same<T>{Pack<T>(batch.log_sum[i])});
  }
}

template <class T>
void softmax_grad_batch(const T* g, const T* y, T* gx, int64_t rows, int64_t n) {
  for (int64_t i = 0; i < rows; ++i, g += n, y += n, gx += n) {
    sweep<ProductOf>(n, gx, Each<T>{g}, Each<T>{y});
    const T dot = join_row<Plus>(gx, n, Plain());
    sweep<SoftmaxGradOf>(n, gx, Each<T>{g}, Each<T>{y}, Same<T>{Pack<T>(dot)});
  }
}

template <class T>
void log_softmax_grad_batch(const T* g, const T* y, T* gx, int64_t rows, int64_t n) {
  for (int64_t i = 0; i < rows; ++i, g += n, y += n, gx += n) {
    const T sum = join_row<Plus>(g, n, Plain());
    sweep<LogSoftmaxGradOf>(n, gx, Each<T>{g}, Each<T>{y}, Same<T>{Pack<T>(sum)});
  }
}

template <class T>
void cross_entropy_batch(const T* x, const int64_t* labels, const T* g, int64_t g_step, T* loss, T* gx, int64_t rows,
                         int64_t n) {
  Batch<T> batch;
  fill(batch, x, rows, n, gx);
  for (int64_t i = 0; loss && i < rows; ++i) loss[i] = batch.log_sum[i] - (x[i * n + labels[i]] - batch.shift[i]);
  for (int64_t i = 0; gx && i < rows; ++i) {
    const T* e = batch.e + i * n;
    const T scale = g[i * g_step], p = e[labels[i]];
    const T at_label = (p == T(1) ? -batch.rest[i] : p * batch.inverse[i] - T(1)) * scale;
    sweep<ProductOf>(n, gx + i * n, Each<T>{e}, Same<T>{Pack<T>(batch.inverse[i] * scale)});
    gx[i * n + labels[i]] = at_label;
  }
}

// sum(t (log_sum - (x - shift))) over one row
template <class T>
FL_FN T soft_loss(const T* x, const T* t, int64_t n, T shift, T log_sum) {
  Tree<Plus, T> tree;
  for (int64_t c = 0; c < n; c += kBlock) {
    T term[kBlock];
    const int64_t some = n - c < kBlock ? n - c : kBlock;
    sweep<SoftLossOf>(some, term, Each<T>{x + c}, Each<T>{t + c}, Same<T>{Pack<T>(shift)}, Same<T>{Pack<T>(log_sum)});
    tree.push(join_block<Plus>(term, some, Plain()));
  }
  return tree.result();
}

template <class T>
void soft_cross_entropy_batch(const T* x, const T* t, const T* g, int64_t g_step, T* loss, T* gx, int64_t rows,
                              int64_t n) {
  Batch<T> batch;
  fill(batch, x, rows, n, gx);
  for (int64_t i = 0; loss && i < rows; ++i) {
    loss[i] = soft_loss(x + i * n, t + i * n, n, batch.shift[i], batch.log_sum[i]);
  }
  for (int64_t i = 0; gx && i < rows; ++i) {
    const T scale = g[i * g_step], all = join_row<Plus>(t + i * n, n, Plain());
    sweep<SoftGradOf>(n, gx + i * n, Each<T>{batch.e + i * n}, Each<T>{t + i * n}, Same<T>{Pack<T>(batch.inverse[i])},
                      Same<T>{Pack<T>(batch.rest[i])}, Same<T>{Pack<T>(all)}, Same<T>{Pack<T>(scale)});
  }
}

// Calls f(first row, rows) for batches of rows, on several threads when there is enough to do.
template <class F>
void each_batch(int64_t rows, int64_t classes, const F& f) {
  constexpr int64_t kPiece = 2048;  // elements: one exponential costs several plain sweeps
  const int64_t batch = classes * kBatch <= kPiece ? kBatch : classes < kPiece ? kPiece / classes : 1;
  for_chunks(
      rows, batch, [&f](int64_t begin, int64_t end) { f(begin, end - begin); }, 2000);
}

template <class T>
struct Rows {
  static void softmax(const void* x, void* y, int64_t rows, int64_t n) {
    each_batch(rows, n, [=](int64_t i, int64_t some) {
      softmax_batch(static_cast<const T*>(x) + i * n, static_cast<T*>(y) + i * n, some, n);
    });
  }
  static void log_softmax(const void* x, void* y, int64_t rows, int64_t n) {
    each_batch(rows, n, [=](int64_t i, int64_t some) {
      log_softmax_batch(static_cast<const T*>(x) + i * n, static_cast<T*>(y) + i * n, some, n);
    });
  }
  static void softmax_grad(const void* g, const void* y, void* gx, int64_t rows, int64_t n) {
    each_batch(rows, n, [=](int64_t i, int64_t some) {
      softmax_grad_batch(static_cast<const T*>(g) + i * n, static_cast<const T*>(y) + i * n,
                         static_cast<T*>(gx) + i * n, some, n);
    });
  }
  static void log_softmax_grad(const void* g, const void* y, void* gx, int64_t rows, int64_t n) {
    each_batch(rows, n, [=](int64_t i, int64_t some) {
      log_softmax_grad_batch(static_cast<const T*>(g) + i * n, static_cast<const T*>(y) + i * n,
                             static_cast<T*>(gx) + i * n, some, n);
    });
  }
  static void cross_entropy(const void* x, const int64_t* labels, const void* g, int64_t g_step, void* loss, void* gx,
                            int64_t rows, int64_t n) {
    each_batch(rows, n, [=](int64_t i, int64_t some) {
      cross_entropy_batch(static_cast<const T*>(x) + i * n, labels + i, at<const T>(g, i * g_step), g_step,
                          at<T>(loss, i), at<T>(gx, i * n), some, n);
    });
  }
  static void soft_cross_entropy(const void* x, const void* t, const void* g, int64_t g_step, void* loss, void* gx,
                                 int64_t rows, int64_t n) {
    each_batch(rows, n, [=](int64_t i, int64_t some) {
      soft_cross_entropy_batch(static_cast<const T*>(x) + i * n, static_cast<const T*>(t) + i * n,
                               at<const T>(g, i * g_step), g_step, at<T>(loss, i), at<T>(gx, i * n), some, n);
    });
  }

 private:
  template <class U, class V>
  static U* at(V* p, int64_t i) {
    return p ? static_cast<U*>(p) + i : nullptr;
  }
};

}  // namespace

#define FL_BOTH(name) \
  { Rows<float>::name, Rows<double>::name }
constexpr SoftmaxKernels kSoftmaxKernels = {FL_BOTH(softmax),       FL_BOTH(log_softmax),
                                            FL_BOTH(softmax_grad),  FL_BOTH(log_softmax_grad),
                                            FL_BOTH(cross_entropy), FL_BOTH(soft_cross_entropy)};
#undef FL_BOTH

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(SoftmaxKernels, softmax_kernels, kSoftmaxKernels)
#endif
