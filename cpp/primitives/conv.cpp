// The primitives that slide a kernel over images. A convolution is linear in the image and in the kernel, so its two
// derivatives are linear too, and each of the three has the other two as its own.
#include "ops/conv.h"

#include "primitives/batch.h"
#include "primitives/promotion.h"
#include "ops/move.h"

namespace fallline {
namespace {

struct ConvAttrs {  // (height, width) each, but for the padding: (top, bottom, left, right)
  Dims stride, dilation, padding;
  int64_t groups;
  Dims size;  // of the result: what the shapes of the inputs do not say
  FL_FIELDS(stride, dilation, padding, groups, size);
};

Slide slide_of(Attrs attrs) {
  const ConvAttrs& a = attrs.as<ConvAttrs>();
  return {{a.stride[0], a.stride[1]}, {a.dilation[0], a.dilation[1]}, {a.padding[0], a.padding[2]}, a.groups};
}
ConvAttrs with_size(Attrs attrs, const Dims& shape) {
  ConvAttrs out = attrs.as<ConvAttrs>();
  out.size = {shape[2], shape[3]};
  return out;
}
const Dims& size_of(Attrs attrs) { return attrs.as<ConvAttrs>().size; }
Layout image_layout(DType dtype, const Dims& shape) { return {dtype, shape, -1, 0, image_strides(shape)}; }
// Elements of a kernel for one output channel.
int64_t per_output(const Dims& weight) { return weight[1] * weight[2] * weight[3]; }

Var input_gradient(const Var& g, const Var& weight, Attrs attrs, const Dims& shape);
Var weight_gradient(const Var& g, const Var& x, Attrs attrs, const Dims& shape);

// Images of examples that share a kernel are images of one batch; kernels of their own are groups of one convolution.
Var with_groups(const BatchedCall& b, const Primitive& row, const Var& x, const Var& y, bool y_is_kernel) {
  ConvAttrs attrs = b.attrs.as<ConvAttrs>();
  attrs.groups *= b.size;
  return apply(row, {folded(moved(x, 1), 1), y_is_kernel ? folded(y) : folded(moved(y, 1), 1)}, attrs);
}
Var images_back(const BatchedCall& b, const Var& y) { return moved_back(unfolded(y, b.size, 1), 1); }

Vars batch_conv(const BatchedCall& b) {
  const bool one_bias = b.count() < 3 || !b.has(2);
  if (!b.has(1) && one_bias) {
    Vars in = {folded(b[0]), b[1]};
    if (b.count() > 2) in.push_back(b[2]);
    return {unfolded(apply_any(b.primitive, in, b.attrs)[0], b.size)};
  }
  Var y = images_back(b, with_groups(b, b.primitive, spread(b, 0), spread(b, 1), true));
  if (b.count() > 2) y = y + reshape(b[2], {b.has(2) ? b.size : 1, 1, b[2].shape().back(), 1, 1});
  return {y};
}
Vars batch_conv_input(const BatchedCall& b) {
  if (!b.has(1)) return {unfolded(apply(b.primitive, {folded(b[0]), b[1]}, b.attrs), b.size)};
  return {images_back(b, with_groups(b, b.primitive, spread(b, 0), spread(b, 1), true))};
}
Vars batch_conv_weight(const BatchedCall& b) {
  return {unfolded(with_groups(b, b.primitive, spread(b, 0), spread(b, 1), false), b.size)};
}

constexpr Primitive kConv =  // x (n, c, h, w), weight (o, c / groups, kh, kw), perhaps bias (o,)
    primitive("conv2d",
              [](Inputs in, Attrs a) {
                return image_layout(in[0].dtype, {in[0].shape[0], in[1].shape[0], size_of(a)[0], size_of(a)[1]});
              })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = input_gradient(p.g, p.in[1], p.attrs, p.in_shape[0]);
              if (p.wants(1)) p.gin[1] = weight_gradient(p.g, p.in[0], p.attrs, p.in_shape[1]);
              if (p.wants(2)) p.gin[2] = sum(p.g, {0, 2, 3}, false);
            },
            kReadsA | kReadsB)
        .batch(batch_conv)
        .multiplies([](const Dims* in, const Dims& out) { return count(out) * per_output(in[1]); })
        .run([](Inputs in, const Array& out, Attrs a) {
          const Array bias = in.count > 2 ? contiguous(in[2]) : Array();
          conv2d(in[0], in[1], in.count > 2 ? &bias : nullptr, slide_of(a), out);
        });

constexpr Primitive kConvInput =  // g (n, o, oh, ow), weight -> (n, c, h, w)
    primitive("conv2d_input",
              [](Inputs in, Attrs a) {
                const ConvAttrs& c = a.as<ConvAttrs>();
                return image_layout(in[0].dtype, {in[0].shape[0], in[1].shape[1] * c.groups, c.size[0], c.size[1]});
              })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kConv, {p.g, p.in[1]}, with_size(p.attrs, p.in_shape[0]));
              if (p.wants(1)) p.gin[1] = weight_gradient(p.in[0], p.g, p.attrs, p.in_shape[1]);
            },
            kReadsA | kReadsB)
        .batch(batch_conv_input)
        .multiplies([](const Dims* in, const Dims&) { return count(in[0]) * per_output(in[1]); })
        .run([](Inputs in, const Array& out, Attrs a) { conv2d_input(in[0], in[1], slide_of(a), out); });

constexpr Primitive kConvWeight =  // g (n, o, oh, ow), x (n, c, h, w) -> (o, c / groups, kh, kw)
    primitive("conv2d_weight",
              [](Inputs in, Attrs a) {
                const ConvAttrs& c = a.as<ConvAttrs>();
                const Dims shape{in[0].shape[1], in[1].shape[1] / c.groups, c.size[0], c.size[1]};
                return Layout{in[0].dtype, shape, -1, 0, row_major(shape)};
              })
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kConv, {p.in[1], p.g}, with_size(p.attrs, p.in_shape[0]));
              if (p.wants(1)) p.gin[1] = input_gradient(p.in[0], p.g, p.attrs, p.in_shape[1]);
            },
            kReadsA | kReadsB)
        .batch(batch_conv_weight)
        .multiplies([](const Dims* in, const Dims& out) { return count(in[0]) * per_output(out); })
        .run([](Inputs in, const Array& out, Attrs a) { conv2d_weight(in[0], in[1], slide_of(a), out); });

Var input_gradient(const Var& g, const Var& weight, Attrs attrs, const Dims& shape) {
  return apply(kConvInput, {g, weight}, with_size(attrs, shape));
}
Var weight_gradient(const Var& g, const Var& x, Attrs attrs, const Dims& shape) {
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
  ConvAttrs attrs{stride, dilation, padding, groups, {}};
  for (const Dims* steps : {&stride, &dilation})
    if ((*steps)[0] < 1 || (*steps)[1] < 1)
      throw ShapeError("[conv2d] stride and dilation must be at least 1, got " + pair(stride, 0) + " and " +
                       pair(dilation, 0));
  for (int axis = 0; axis < 2; ++axis) {
    const int64_t reach = dilation[axis] * (ws[2 + axis] - 1) + 1;
    const int64_t room = xs[2 + axis] + padding[2 * axis] + padding[2 * axis + 1];
    if (room < reach || ws[2 + axis] < 1 || padding[2 * axis] < 0 || padding[2 * axis + 1] < 0)
      throw ShapeError("[conv2d] a kernel " + pair(ws, 2) + " with dilation " + pair(dilation, 0) +
                       " does not fit into images " + pair(xs, 2) + " with padding (" + std::to_string(padding[0]) +
                       ", " + std::to_string(padding[1]) + ") and (" + std::to_string(padding[2]) + ", " +
                       std::to_string(padding[3]) + ")");
    attrs.size.push_back((room - reach) / stride[axis] + 1);
  }
  DType dtype = promote(settle(x).dtype(), weight.dtype());
  if (bias) dtype = promote(dtype, bias.dtype());
  if (!is_float(dtype)) dtype = default_dtype();
  if (bias) return apply(kConv, {to(x, dtype), to(weight, dtype), to(bias, dtype)}, attrs);
  return apply(kConv, {to(x, dtype), to(weight, dtype)}, attrs);
}

}  // namespace fallline
