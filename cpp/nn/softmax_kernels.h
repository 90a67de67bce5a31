// Softmax, its logarithm and the cross entropy of its result, over rows of scores. The table for the active target.
#ifndef FALLLINE_NN_SOFTMAX_KERNELS_H_
#define FALLLINE_NN_SOFTMAX_KERNELS_H_

#include <cstdint>

namespace fallline {

// All arrays but labels and loss are (rows, classes), row-major, of one type: [0] float, [1] double; classes >= 1.
// The order of every sum depends on `classes` alone. A row with NaN or +inf, or of nothing but -inf, gives NaN.
struct SoftmaxKernels {
  using Forward = void (*)(const void* x, void* y, int64_t rows, int64_t classes);
  using Grad = void (*)(const void* g, const void* y, void* gx, int64_t rows, int64_t classes);
  // loss and gx may be null. loss (rows): log(sum(exp(x))) - x[label], or sum(t (log(sum(exp(x))) - x)) over classes
  // with t != 0. gx = (softmax(x) - onehot(label)) g, or (softmax(x) sum(t) - t) g, where g is g[row * g_step].
  // Labels lie in [0, classes): the caller checks.
  using CrossEntropy = void (*)(const void* x, const int64_t* labels, const void* g, int64_t g_step, void* loss,
                                void* gx, int64_t rows, int64_t classes);
  using SoftCrossEntropy = void (*)(const void* x, const void* t, const void* g, int64_t g_step, void* loss, void* gx,
                                    int64_t rows, int64_t classes);

  Forward softmax[2], log_softmax[2];
  Grad softmax_grad[2], log_softmax_grad[2];  // from y, the result of the forward; gx overlaps neither g nor y
  CrossEntropy cross_entropy[2];
  SoftCrossEntropy soft_cross_entropy[2];
};
const SoftmaxKernels& softmax_kernels();

}  // namespace fallline

#endif  // FALLLINE_NN_SOFTMAX_KERNELS_H_
