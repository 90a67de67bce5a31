// The primitives of pooling. All are linear in what flows through them; which element was the largest is found again
// from the image on the way back, and has no derivative of its own.
#include "ops/window.h"

#include "primitives/batch.h"
#include "primitives/promotion.h"
#include "ops/conv.h"

namespace fallline {
namespace {

struct PoolAttrs {  // (height, width) each
  Dims size, stride, padding, image;
  FL_FIELDS(size, stride, padding, image);
};
Window window_of(Attrs attrs) {
  const PoolAttrs& a = attrs.as<PoolAttrs>();
  return {{a.size[0], a.size[1]}, {a.stride[0], a.stride[1]}, {a.padding[0], a.padding[1]}};
}
bool windows_lie_apart(Attrs attrs) { return lie_apart(window_of(attrs)); }
Layout image_layout(DType dtype, const Dims& shape) { return {dtype, shape, -1, 0, image_strides(shape)}; }
Layout windows_layout(Inputs in, Attrs attrs) {
  const PoolAttrs& a = attrs.as<PoolAttrs>();
  Dims shape = in[0].shape;
  for (int axis = 0; axis < 2; ++axis) {
    shape[2 + axis] = (shape[2 + axis] + 2 * a.padding[axis] - a.size[axis]) / a.stride[axis] + 1;
  }
  return image_layout(in[0].dtype, shape);
}
Layout images_layout(Inputs in, Attrs attrs) {
  const Dims& image = attrs.as<PoolAttrs>().image;
  return image_layout(in[0].dtype, {in[0].shape[0], in[0].shape[1], image[0], image[1]});
}

// ----- the largest of relu(x): what plans make of the two, for sums of what overlaps would have another order -----

constexpr Primitive kReluMaxPool =
    primitive("relu_max_pool2d", windows_layout)
        .no_derivative()
        .only_in_plans()
        .run([](Inputs in, const Array& out, Attrs a) { relu_max_pool2d(in[0], window_of(a), out); });
constexpr Primitive kReluMaxPoolInput =  // g, x
    primitive("relu_max_pool2d_input", images_layout)
        .no_derivative()
        .only_in_plans()
        .run([](Inputs in, const Array& out, Attrs a) { relu_max_pool2d_input(in[0], in[1], window_of(a), out); });

// ----- the largest -----

extern const Primitive kMaxPoolPick;
constexpr Primitive kMaxPoolInput =  // g, x: the gradient of the largest by x
    primitive("max_pool2d_input", images_layout)
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kMaxPoolPick, {p.g, p.in[1]}, p.attrs);
            },
            kReadsB)
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs a) { max_pool2d_input(in[0], in[1], window_of(a), out); })
        .takes(Role::kRelu, kReluMaxPoolInput, windows_lie_apart);

constexpr Primitive kMaxPoolPick =  // v, x: v where x is the largest
    primitive("max_pool2d_pick", windows_layout)
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = apply(kMaxPoolInput, {p.g, p.in[1]}, p.attrs);
            },
            kReadsB)
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs a) { max_pool2d_pick(in[0], in[1], window_of(a), out); });

constexpr Primitive kMaxPool =
    primitive("max_pool2d", windows_layout)
        .vjp(
            [](Pullback& p) {
              p.gin[0] = apply(kMaxPoolInput, {p.g, p.in[0]}, p.attrs);
            },
            kReadsA)
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs a) { max_pool2d(in[0], window_of(a), out); })
        .takes(Role::kRelu, kReluMaxPool, windows_lie_apart);

// ----- the mean -----

extern const Primitive kAvgPool;
constexpr Primitive kAvgPoolInput =
    primitive("avg_pool2d_input", images_layout)
        .vjp([](Pullback& p) { p.gin[0] = apply(kAvgPool, {p.g}, p.attrs); }, kReadsNone)
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs a) { avg_pool2d_input(in[0], window_of(a), out); });

constexpr Primitive kAvgPool =
    primitive("avg_pool2d", windows_layout)
        .vjp([](Pullback& p) { p.gin[0] = apply(kAvgPoolInput, {p.g}, p.attrs); }, kReadsNone)
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs a) { avg_pool2d(in[0], window_of(a), out); });

Var pool(const Primitive& primitive, const Var& object, const Dims& size, const Dims& stride, const Dims& padding) {
  const std::string where = "[" + std::string(primitive.name) + "] ";
  const Var x = to_float(object);
  const Dims& shape = x.shape();
  if (shape.size() != 4) throw ShapeError(where + "expected x (n, c, h, w), got " + to_string(shape));
  for (int i = 0; i < 2; ++i) {
    if (size[i] < 1 || stride[i] < 1)
      throw ShapeError(where + "kernel_size and stride must be at least 1, got " + to_string(size) + " and " +
                       to_string(stride));
    if (padding[i] < 0 || 2 * padding[i] > size[i])
      throw ShapeError(where + "padding must be at most half of the kernel, got " + to_string(padding) +
                       " for kernel_size " + to_string(size));
    if (shape[2 + i] + 2 * padding[i] < size[i])
      throw ShapeError(where + "a window " + to_string(size) + " does not fit into images of shape " +
                       to_string(shape) + " with padding " + to_string(padding));
  }
  return apply(primitive, {x}, PoolAttrs{size, stride, padding, {shape[2], shape[3]}});
}

}  // namespace

Var max_pool2d(const Var& x, const Dims& size, const Dims& stride, const Dims& padding) {
  return pool(kMaxPool, x, size, stride, padding);
}
Var avg_pool2d(const Var& x, const Dims& size, const Dims& stride, const Dims& padding) {
  return pool(kAvgPool, x, size, stride, padding);
}

}  // namespace fallline
