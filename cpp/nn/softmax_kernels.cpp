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
    return g - exp(y) * sum;
  }
};
struct SoftLossOf {  // a class of probability 0 does not count, even where its score is -inf
  template <class X>
  static FL_FN X call(X x, X t, X m, X log_sum) {
    return select(t == X(0), X(0), t * (log_sum - (x - m)));
  }
};
struct SoftGradOf {
  template <class X>
  static FL_FN X call(X e, X t, X scale, X g) {
    return e * scale - t * g;
  }
};

// Rows that are treated together, so that logarithms and divisions are taken a register at a time.
constexpr int64_t kBatch = 64;
template <class T>
struct Batch {
  T shift[kBatch], sum[kBatch], log_sum[kBatch], inverse[kBatch];
};

// e[i] = exp(x[i] - shift), unless e is null; the sum of them.
template <class T>
FL_FN T exp_row(const T* x, int64_t n, T shift, T* e) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  if (n > kFew) {
    if (!e) return join_row<Plus>(x, n, ExpMinus<T>{shift});
    sweep<ExpOf>(n, e, Each<T>{x}, Same<T>{Pack<T>(shift)});
    return join_row<Plus>(e, n, Plain());
  }
  T lane[kFew + kLanes];  // a copy that scalar loads may read at once, which a masked store does not allow
  lane[0] = T(0);
  for (int64_t i = 0; i < n; i += kLanes) {
    const size_t rest = static_cast<size_t>(n - i < kLanes ? n - i : kLanes);
    const Pack<T> y = exp(Pack<T>::load_n(x + i, rest) - Pack<T>(shift));
    y.store(lane + i);
    if (e) y.store_n(e + i, rest);
  }
  T sum = lane[0];
  for (int64_t i = 1; i < n; ++i) sum += lane[i];
  return sum;
}

// Fills a batch from `rows` rows of n scores; the exponentials go to e, unless it is null.
template <class T>
FL_FN void exp_rows(const T* x, int64_t rows, int64_t n, T* e, Batch<T>& batch) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  for (int64_t i = 0; i < rows; ++i) {
    const T* row = x + i * n;
    batch.shift[i] = shift_for(join_row<Top>(row, n, Plain()));
    batch.sum[i] = exp_row(row, n, batch.shift[i], e ? e + i * n : nullptr);
  }
  for (int64_t i = 0; i < rows; i += kLanes) {
    const size_t rest = static_cast<size_t>(rows - i < kLanes ? rows - i : kLanes);
    const Pack<T> sum = Pack<T>::load_n(batch.sum + i, rest);
    log(sum).store_n(batch.log_sum + i, rest);
    (Pack<T>(T(1)) / sum).store_n(batch.inverse + i, rest);
  }
}

template <class T>
void softmax_batch(const T* x, T* y, int64_t rows, int64_t n) {
  Batch<T> batch;
  exp_rows(x, rows, n, y, batch);
  for (int64_t i = 0; i < rows; ++i) {
    sweep<ProductOf>(n, y + i * n, Each<T>{y + i * n}, Same<T>{Pack<T>(batch.inverse[i])});
  }
}

template <class T>
void log_softmax_batch(const T* x, T* y, int64_t rows, int64_t n) {
  Batch<T> batch;
  exp_rows(x, rows, n, static_cast<T*>(nullptr), batch);
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
  exp_rows(x, rows, n, gx, batch);
  for (int64_t i = 0; loss && i < rows; ++i) loss[i] = batch.log_sum[i] - (x[i * n + labels[i]] - batch.shift[i]);
  for (int64_t i = 0; gx && i < rows; ++i) {
    T* row = gx + i * n;
    const T scale = g[i * g_step], at_label = (row[labels[i]] * batch.inverse[i] - T(1)) * scale;
    sweep<ProductOf>(n, row, Each<T>{row}, Same<T>{Pack<T>(batch.inverse[i] * scale)});
    row[labels[i]] = at_label;
  }
}

template <class T>
void soft_cross_entropy_batch(const T* x, const T* t, const T* g, int64_t g_step, T* loss, T* gx, int64_t rows,
                              int64_t n) {
  Batch<T> batch;
  exp_rows(x, rows, n, gx, batch);
  for (int64_t i = 0; i < rows; ++i) {
    const T *scores = x + i * n, *target = t + i * n;
    if (loss) {
      Tree<Plus, T> tree;
      for (int64_t c = 0; c < n; c += kBlock) {
        T term[kBlock];
        const int64_t some = n - c < kBlock ? n - c : kBlock;
        sweep<SoftLossOf>(some, term, Each<T>{scores + c}, Each<T>{target + c}, Same<T>{Pack<T>(batch.shift[i])},
                          Same<T>{Pack<T>(batch.log_sum[i])});
        tree.push(join_block<Plus>(term, some, Plain()));
      }
      loss[i] = tree.result();
    }
    if (gx) {
      const T scale = g[i * g_step], all = join_row<Plus>(target, n, Plain());
      sweep<SoftGradOf>(n, gx + i * n, Each<T>{gx + i * n}, Each<T>{target},
                        Same<T>{Pack<T>(batch.inverse[i] * all * scale)}, Same<T>{Pack<T>(scale)});
    }
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
