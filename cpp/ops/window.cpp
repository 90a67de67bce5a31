// Pooling over arrays of any strides.
#include "ops/window.h"

#include "ops/conv.h"
#include "ops/move.h"
#include "ops/window_kernels.h"

namespace fallline {
namespace {

// x itself where the image number is innermost, else a copy that has it so.
Array image_order(const Array& x) {
  Layout layout{x.dtype, x.shape, -1, 0, image_strides(x.shape)};
  if (x.strides == layout.strides) return x;
  const Array out = Array::empty(layout);
  window_kernels().gather[float_index(x.dtype)](x.data, x.shape.begin(), x.strides.begin(), out.data);
  return out;
}

WindowJob make_job(const Window& window, const Dims& images, const Dims& windows) {
  WindowJob job{};
  job.window = window;
  job.n = images[0];
  job.c = images[1];
  job.h = images[2];
  job.w = images[3];
  job.oh = windows[2];
  job.ow = windows[3];
  job.apart = lie_apart(window);
  job.covers = window.stride[0] <= window.size[0] && window.stride[1] <= window.size[1] &&
               (windows[2] - 1) * window.stride[0] + window.size[0] - window.padding[0] >= images[2] &&
               (windows[3] - 1) * window.stride[1] + window.size[1] - window.padding[1] >= images[3];
  return job;
}

void run(const WindowKernels::Function (&kernel)[2], WindowJob job, const Array* x, const Array* v, const Array& out) {
  if (out.size() == 0) return;
  const Array images = x ? image_order(*x) : Array(), values = v ? image_order(*v) : Array();
  job.x = images.data;
  job.v = values.data;
  job.out = out.data;
  kernel[float_index(out.dtype)](job);
}

}  // namespace

void max_pool2d(const Array& x, const Window& window, const Array& y) {
  run(window_kernels().max, make_job(window, x.shape, y.shape), &x, nullptr, y);
}
void max_pool2d_input(const Array& g, const Array& x, const Window& window, const Array& gx) {
  run(window_kernels().max_input, make_job(window, x.shape, g.shape), &x, &g, gx);
}
void relu_max_pool2d(const Array& x, const Window& window, const Array& y) {
  run(window_kernels().relu_max, make_job(window, x.shape, y.shape), &x, nullptr, y);
}
void relu_max_pool2d_input(const Array& g, const Array& x, const Window& window, const Array& gx) {
  run(window_kernels().relu_max_input, make_job(window, x.shape, g.shape), &x, &g, gx);
}
void max_pool2d_pick(const Array& v, const Array& x, const Window& window, const Array& out) {
  run(window_kernels().max_pick, make_job(window, x.shape, out.shape), &x, &v, out);
}
void avg_pool2d(const Array& x, const Window& window, const Array& y) {
  run(window_kernels().mean, make_job(window, x.shape, y.shape), &x, nullptr, y);
}
void avg_pool2d_input(const Array& g, const Window& window, const Array& gx) {
  run(window_kernels().mean_input, make_job(window, gx.shape, g.shape), nullptr, &g, gx);
}

}  // namespace fallline
