// How do sixteen images pass through a convolution side by side?  Plain pointers and strides in.
//
// A block is 64 bytes of images: 16 in float32, 8 in float64, on every target, however many registers it takes. The
// image number is the lane, so an output pixel is a few multiplications of a register with a broadcast weight, at any
// stride, dilation or padding.
#ifndef FALLLINE_OPS_CONV_KERNELS_H_
#define FALLLINE_OPS_CONV_KERNELS_H_

#include <cstdint>

namespace fallline {

constexpr int64_t kImageBytes = 64;

// (n, c, h, w), in elements.
struct Images {
  void* data;
  int64_t n, c, h, w;
  int64_t stride[4];
};

// Along one axis: output first + i * stride (i < count) is the sum over taps t of source[i * step + offset + t * delta]
// times the weight number index + t * index_delta. delta > 0; sources outside [0, length) are zero.
struct Taps {
  int64_t first, stride, count;
  int64_t step, length;
  int64_t taps, offset, delta, index, index_delta;
};

// One convolution, or one phase of the derivative by the input of one with a stride.
struct Correlation {
  Images from, to;
  const void* weight;        // weight_stride: of the output channel in its group, of the source channel, of a, of b
  int64_t weight_stride[4];  // ...
  int64_t weight_group;      // and from group to group
  const void* bias;          // null: zero
  int64_t groups;
  Taps rows, columns;
};

struct WeightGradient {
  Images g, x;
  void* out;  // (o, c / groups, kh, kw), row-major
  int64_t groups, kh, kw;
  int64_t stride[2], dilation[2], padding[2];
};

struct ConvKernels {
  void (*correlate[2])(const Correlation&);  // float, double
  void (*weight_gradient[2])(const WeightGradient&);
};
const ConvKernels& conv_kernels();

}  // namespace fallline

#endif  // FALLLINE_OPS_CONV_KERNELS_H_
