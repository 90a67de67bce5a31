// Convolutions and their derivatives as correlations over taps.
#include "ops/conv.h"

#include <numeric>

#include "ops/conv_kernels.h"
#include "ops/move.h"

namespace fallline {
namespace {

Images images(const Array& x) {
  return {x.data,     x.shape[0], x.shape[1],
          x.shape[2], x.shape[3], {x.strides[0], x.strides[1], x.strides[2], x.strides[3]}};
}

// y: output i meets the source i s + a d - p.
Taps forward_taps(const Slide& slide, int axis, int64_t outputs, int64_t sources, int64_t kernel) {
  return {0, 1, outputs, slide.stride[axis], sources, kernel, -slide.padding[axis], slide.dilation[axis], 0, 1};
}

// The derivative by the input: pixel i' meets the output i where i s = i' + p - a d. Pixels of one phase, i' = phase +
// i s, meet the same taps: those a for which phase + p - a d is a multiple of s, which are s / gcd(s, d) apart. They
// are taken from the last to the first, so that the outputs they meet go up.
Taps backward_taps(const Slide& slide, int axis, int64_t phase, int64_t pixels, int64_t outputs, int64_t kernel) {
  const int64_t s = slide.stride[axis], d = slide.dilation[axis], p = slide.padding[axis];
  const int64_t apart = s / std::gcd(s, d);
  int64_t first = 0;
  while (first < apart && (phase + p - first * d) % s != 0) ++first;
  const int64_t taps = first < apart && first < kernel ? (kernel - 1 - first) / apart + 1 : 0;
  const int64_t last = first + (taps - 1) * apart;
  const int64_t offset = taps ? (phase + p - last * d) / s : 0;
  return {phase, s,     phase < pixels ? (pixels - 1 - phase) / s + 1 : 0, 1, outputs, taps, offset, apart * d / s,
          last,  -apart};
}

}  // namespace

void conv2d(const Array& x, const Array& weight, const Array* bias, const Slide& slide, const Array& y) {
  if (y.size() == 0) return;
  Correlation job{};
  job.from = images(x);
  job.to = images(y);
  job.weight = weight.data;
  for (int i = 0; i < 4; ++i) job.weight_stride[i] = weight.strides[i];
  job.groups = slide.groups;
  job.weight_group = weight.shape[0] / slide.groups * weight.strides[0];
  job.bias = bias ? bias->data : nullptr;
  job.rows = forward_taps(slide, 0, y.shape[2], x.shape[2], weight.shape[2]);
  job.columns = forward_taps(slide, 1, y.shape[3], x.shape[3], weight.shape[3]);
  conv_kernels().correlate[float_index(y.dtype)](job);
}

void conv2d_input(const Array& g, const Array& weight, const Slide& slide, const Array& gx) {
  if (gx.size() == 0) return;
  Correlation job{};
  job.from = images(g);
  job.to = images(gx);
  job.weight = weight.data;
  const int64_t strides[4] = {weight.strides[1], weight.strides[0], weight.strides[2], weight.strides[3]};
  std::copy(strides, strides + 4, job.weight_stride);
  job.groups = slide.groups;
  job.weight_group = weight.shape[0] / slide.groups * weight.strides[0];
  for (int64_t i = 0; i < slide.stride[0]; ++i) {
    for (int64_t j = 0; j < slide.stride[1]; ++j) {
      job.rows = backward_taps(slide, 0, i, gx.shape[2], g.shape[2], weight.shape[2]);
      job.columns = backward_taps(slide, 1, j, gx.shape[3], g.shape[3], weight.shape[3]);
      if (job.rows.count > 0 && job.columns.count > 0) conv_kernels().correlate[float_index(gx.dtype)](job);
    }
  }
}

void conv2d_weight(const Array& g, const Array& x, const Slide& slide, const Array& gw) {
  if (g.size() == 0) return fill_zero(gw);
  WeightGradient job{};
  job.g = images(g);
  job.x = images(x);
  job.out = gw.data;
  job.groups = slide.groups;
  job.kh = gw.shape[2];
  job.kw = gw.shape[3];
  for (int axis = 0; axis < 2; ++axis) {
    job.stride[axis] = slide.stride[axis];
    job.dilation[axis] = slide.dilation[axis];
    job.padding[axis] = slide.padding[axis];
  }
  conv_kernels().weight_gradient[float_index(gw.dtype)](job);
}

Dims image_strides(const Dims& shape) {
  const int64_t n = shape[0], w = shape[3], h = shape[2];
  return {1, h * w * n, w * n, n};
}

}  // namespace fallline
