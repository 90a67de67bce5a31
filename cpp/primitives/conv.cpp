// The primitives that slide a kernel over images. A convolution is linear in the image and in the kernel, so its two
// derivatives are linear too, and each of the three has the other two as its own.
#include "ops/conv.h"

#include "primitives/promotion.h"
#include "ops/move.h"

namespace fallline {
namespace {

// steps: stride and dilation, (height, width) each; starts: the padding in front; integer: the groups; dims: what the
// shapes of the inputs do not say, the height and width of the result.
Slide slide_of(const Attrs& a) {
  return {{a.steps[0], a.steps[1]}, {a.steps[2], a.steps[3]}, {a.starts[0], a.starts[1]}, a.integer};
}
Attrs with_size(const Attrs& attrs, const Dims& shape) {
  Attrs out = attrs;
  out.dims = {shape[2], shape[3]};
  return out;
}
Layout image_layout(DType dtype, const Dims& shape) { return {dtype, shape, -1, 0, image_strides(shape)}; }

Var input_gradient(const Var& g, const Var& weight, const Attrs& attrs, const Dims& shape);
Var weight_gradient(const Var& g, const Var& x, const Attrs& attrs, const Dims& shape);

constexpr Primitive kConv =  // x (n, c, h, w), weight (o, c / groups, kh, kw), perhaps bias (o,)
    primitive("conv2d",
              [](Inputs in, const Attrs& a) {
                return image_layout(in[0].dtype, {in[0].shape[0], in[1].shape[0], a.dims[0], a.dims[1]});
              })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = input_gradient(p.g, p.in[1], p.attrs, p.in_shape[0]);
              if (p.wants(1)) p.gin[1] = weight_gradient(p.g, p.in[0], p.attrs, p.in_shape[1]);
              if (p.wants(2)) p.gin[2] = sum(p.g, {0, 2, 3}, false);
            },
            kReadsA | kReadsB)
        .run([](Inputs in, const Array& out, const Attrs& a) {
          const Array bias = in.count > 2 ? contiguous(in[2]) : Array();
          conv2d(in[0], in[1], in.count > 2 ? &bias : nullptr, slide_of(a), out);
        });

constexpr Primitive kConvInput =  // g (n, o, oh, ow), weight -> (n, c, h, w)
    primitive("conv2d_input",
              [](Inputs in, const Attrs& a) {
                return image_layout(in[0].dtype, {in[0].shape[0], in[1].shape[1] * a.integer, a.dims[0], a.dims[1]});
              })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kConv, {p.g, p.in[1]}, with_size(p.attrs, p.in_shape[0]));
              if (p.wants(1)) p.gin[1] = weight_gradient(p.in[0], p.g, p.attrs, p.in_shape[1]);
            },
            kReadsA | kReadsB)
        .run([](Inputs in, const Array& out, const Attrs& a) { conv2d_input(in[0], in[1], slide_of(a), out); });

constexpr Primitive kConvWeight =  // g (n, o, oh, ow), x (n, c, h, w) -> (o, c / groups, kh, kw)
    primitive("conv2d_weight",
              [](Inputs in, const Attrs& a) {
                const Dims shape{in[0].shape[1], in[1].shape[1] / a.integer, a.dims[0], a.dims[1]};
                return Layout{in[0].dtype, shape, -1, 0, row_major(shape)};
              })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kConv, {p.in[1], p.g}, with_size(p.attrs, p.in_shape[0]));
              if (p.wants(1)) p.gin[1] = input_gradient(p.in[0], p.g, p.attrs, p.in_shape[1]);
            },
            kReadsA | kReadsB)
        .run([](Inputs in, const Array& out, const Attrs& a) { conv2d_weight(in[0], in[1], slide_of(a), out); });

Var input_gradient(const Var& g, const Var& weight, const Attrs& attrs, const Dims& shape) {
  return apply(kConvInput, {g, weight}, with_size(attrs, shape));
}
Var weight_gradient(const Var& g, const Var& x, const Attrs& attrs, const Dims& shape) {
  return apply(kConvWeight, {g, x}, with_size(attrs, shape));
}

std::string pair(const Dims& d, int i) { return "(" + std::to_string(d[i]) + ", " + std::to_string(d[i + 1]) + ")"; }

}  // namespace

Var conv2d(const Var& x, const Var& weight, const Var& bias, const Dims& stride, const Dims& padding,
           const Dims& dilation, int64_t groups) {
  const Dims &xs = x.shape(), &ws = weight.shape();
  if (xs.size() != 4 || ws.size() != 4)
    throw ShapeError("[conv2d] expected x (n, c, h, w) and weight (out, c / groups, kh, kw), got " + to_string(xs) +
                     " and " + to_string(ws));
  if (groups < 1 || xs[1] != ws[1] * groups || ws[0] % std::max<int64_t>(groups, 1) != 0)
    throw ShapeError("[conv2d] x " + to_string(xs) + " and weight " + to_string(ws) + " do not fit with " +
                     std::to_string(groups) +
                     " groups: x needs weight.shape[1] * groups channels, and the groups must "
                     "divide weight.shape[0]");
  if (bias && bias.shape() != Dims{ws[0]})
    throw ShapeError("[conv2d] expected a bias of shape (" + std::to_string(ws[0]) + ",), got " +
                     to_string(bias.shape()));
  Attrs attrs;
  attrs.steps = {stride[0], stride[1], dilation[0], dilation[1]};
  attrs.starts = {padding[0], padding[2]};
  attrs.integer = groups;
  for (int64_t step : attrs.steps)
    if (step < 1)
      throw ShapeError("[conv2d] stride and dilation must be at least 1, got " + pair(attrs.steps, 0) + " and " +
                       pair(attrs.steps, 2));
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t reach = dilation[axis] * (ws[2 + axis] - 1) + 1;
    const int64_t room = xs[2 + axis] + padding[2 * axis] + padding[2 * axis + 1];
    if (room < reach || ws[2 + axis] < 1 || padding[2 * axis] < 0 || padding[2 * axis + 1] < 0)
      throw ShapeError("[conv2d] a kernel " + pair(ws, 2) + " with dilation " + pair(attrs.steps, 2) +
                       " does not fit into images " + pair(xs, 2) + " with padding (" + std::to_string(padding[0]) +
                       ", " + std::to_string(padding[1]) + ") and (" + std::to_string(padding[2]) + ", " +
                       std::to_string(padding[3]) + ")");
    attrs.dims.push_back((room - reach) / stride[axis] + 1);
  }
  DType dtype = promote(settle(x).dtype(), weight.dtype());
  if (bias) dtype = promote(dtype, bias.dtype());
  if (!is_float(dtype)) dtype = default_dtype();
  if (bias) return apply(kConv, {to(x, dtype), to(weight, dtype), to(bias, dtype)}, attrs);
  return apply(kConv, {to(x, dtype), to(weight, dtype)}, attrs);
}

}  // namespace fallline
