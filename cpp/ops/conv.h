// Convolutions of batches of images (as networks mean it: the kernel is not turned round), and their two derivatives.
#ifndef FALLLINE_OPS_CONV_H_
#define FALLLINE_OPS_CONV_H_

#include "tensor/array.h"

namespace fallline {

// How the kernel slides, along height [0] and width [1]. Where the image or the output ends says its shape, so padding
// may be uneven.
struct Slide {
  int64_t stride[2] = {1, 1}, dilation[2] = {1, 1};
  int64_t padding[2] = {0, 0};  // zeros in front of the first pixel; may be negative, which leaves pixels out
  int64_t groups = 1;
};

// x (n, c, h, w) and weight (o, c / groups, kh, kw) of any strides, y (n, o, oh, ow) as image_strides lays it out; one
// float dtype, none of them aliases.
//   y[n, o, i, j] = bias[o] + sum over c, a, b of weight[o, c, a, b] x[n, c, i s + a d - p, j s + b d - p]
// where pixels outside x are zero. Every sum runs over c, a, b in this order with fma, for every target and number of
// threads; a block of 64 bytes of images shares the registers. `bias` may be null.
void conv2d(const Array& x, const Array& weight, const Array* bias, const Slide& slide, const Array& y);
// gx[n, c, i', j'] = the sum of g[n, o, i, j] weight[o, c, a, b] over all that meet there. gx as image_strides lays
// it out.
void conv2d_input(const Array& g, const Array& weight, const Slide& slide, const Array& gx);
// gw[o, c, a, b] = the sum over n, i, j of g[n, o, i, j] x[n, c, i s + a d - p, j s + b d - p]. gw is
// row-major. Blocks of images are summed in chunks that depend on n alone.
void conv2d_weight(const Array& g, const Array& x, const Slide& slide, const Array& gw);

// Strides of (n, c, h, w) with the image number innermost: what convolutions write and read best.
Dims image_strides(const Dims& shape);

}  // namespace fallline

#endif  // FALLLINE_OPS_CONV_H_
