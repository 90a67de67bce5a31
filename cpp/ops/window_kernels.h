// How is a window moved over images that lie side by side?  Plain pointers in; the image number is the lane.
#ifndef FALLLINE_OPS_WINDOW_KERNELS_H_
#define FALLLINE_OPS_WINDOW_KERNELS_H_

#include <cstdint>

#include "ops/window.h"

namespace fallline {

// Images are (c, h, w, n) in memory, windows (c, oh, ow, n), all without gaps.
struct WindowJob {
  Window window;
  int64_t n, c, h, w, oh, ow;
  const void* x;       // images: what decides which element is the largest, or what is averaged
  const void* v;       // windows (a gradient) or images (values to pick), where the function reads them
  void* out;           // windows or images
  bool apart, covers;  // whether a pixel lies in one window at most, at least
};

struct WindowKernels {
  using Function = void (*)(const WindowJob&);
  Function max[2], max_input[2], max_pick[2], mean[2], mean_input[2];  // float, double
  Function relu_max[2], relu_max_input[2];                             // the same of relu(x)
  // to (c, h, w, n) without gaps, from (n, c, h, w) with strides.
  void (*gather[2])(const void* from, const int64_t* shape, const int64_t* strides, void* to);
};
const WindowKernels& window_kernels();

}  // namespace fallline

#endif  // FALLLINE_OPS_WINDOW_KERNELS_H_
