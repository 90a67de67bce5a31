// Pooling: the largest element or the mean of windows that slide over images; and the way back.
#ifndef FALLLINE_OPS_WINDOW_H_
#define FALLLINE_OPS_WINDOW_H_

#include "tensor/array.h"

namespace fallline {

// Along height [0] and width [1]. Padding is less than the size, so that every window meets the image.
struct Window {
  int64_t size[2], stride[2], padding[2];
};

// Whether no pixel lies in two windows.
inline bool lie_apart(const Window& w) {
  return w.stride[0] >= w.size[0] && w.stride[1] >= w.size[1] && w.padding[0] == 0 && w.padding[1] == 0;
}

// x, gx (n, c, h, w); y, g (n, c, oh, ow); one float dtype. What is read may have any strides, what is written has
// image_strides (ops/conv.h).

// y = the largest of each window. The first of equals counts, and NaN is larger than all; padding is smaller than all.
void max_pool2d(const Array& x, const Window& window, const Array& y);
// gx = g where x was the largest of its window, added up where windows overlap, in their order.
void max_pool2d_input(const Array& g, const Array& x, const Window& window, const Array& gx);
// The same two of relu(x), which is never stored: the second gives the gradient by x, for windows that lie apart.
void relu_max_pool2d(const Array& x, const Window& window, const Array& y);
void relu_max_pool2d_input(const Array& g, const Array& x, const Window& window, const Array& gx);
// out[window] = v where x was the largest: v (n, c, h, w).
void max_pool2d_pick(const Array& v, const Array& x, const Window& window, const Array& out);
// y = the mean of each window, padding counted as zeros.
void avg_pool2d(const Array& x, const Window& window, const Array& y);
void avg_pool2d_input(const Array& g, const Window& window, const Array& gx);

}  // namespace fallline

#endif  // FALLLINE_OPS_WINDOW_H_
