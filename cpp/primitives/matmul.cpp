// The primitives that multiply matrices.
#include "ops/matmul.h"

#include "primitives/batch.h"
#include "primitives/promotion.h"
#include "ops/elementwise.h"
#include "ops/move.h"

namespace fallline {
namespace {

// ----- matrix product -----

Layout infer_matmul(Inputs in, Attrs) {
  const Array &x = in[0], &y = in[1];
  if (x.shape.back() != y.shape[y.ndim() - 2])
    throw ShapeError("[matmul] inner sizes differ: " + to_string(x.shape) + " @ " + to_string(y.shape));
  Dims bx, by;
  for (int i = 0; i + 2 < x.ndim(); ++i) bx.push_back(x.shape[i]);
  for (int i = 0; i + 2 < y.ndim(); ++i) by.push_back(y.shape[i]);
  Layout out;
  out.dtype = x.dtype;
  out.shape = broadcast(bx, by, "matmul");
  out.shape.push_back(x.shape[x.ndim() - 2]);
  out.shape.push_back(y.shape.back());
  return out;
}

// With the derivative of relu while the sums are in registers: x, y, and what relu gave: (x @ y) * (relu > 0).
constexpr Primitive kMatmulReluGrad = primitive("matmul_relu_grad", infer_matmul)
                                          .no_derivative()
                                          .only_in_plans()
                                          .run([](Inputs in, const Array& out, Attrs) {
                                            matmul(in[0], in[1], nullptr, out);
                                            const Array given = contiguous(in[2]);
                                            unary_grad(UnaryOp::kRelu, out, given, given, out);
                                          })
                                          .prepared([](Inputs in, const Array& out, Attrs) -> std::function<void()> {
                                            if (out.ndim() != 2 || in[2].shape != out.shape || in[2].strides[1] != 1)
                                              return nullptr;
                                            return prepared_matmul(in[0], in[1], out, {false, nullptr, false, &in[2]});
                                          });

// Where the right factor is one for all examples, their rows are those of one product.
Vars batch_matmul(const BatchedCall& b) {
  if (b.has(0) && !b.has(1) && b[0].shape().size() == 3 && b[1].shape().size() == 2)
    return {unfolded(matmul(folded(b[0]), b[1]), b.size)};
  if (b.has(0) && b.has(1) && b[0].shape().back() == 1) return {b[0] * b[1]};  // columns times rows: no sums
  return batch_elementwise(b);
}

constexpr Primitive kMatmul =
    primitive("matmul", infer_matmul)
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = matmul(p.g, transpose(p.in[1]));
              if (p.wants(1)) p.gin[1] = matmul(transpose(p.in[0]), p.g);
            },
            kReadsA | kReadsB)
        .batch(batch_matmul)
        .run([](Inputs in, const Array& out, Attrs) { matmul(in[0], in[1], nullptr, out); })
        .prepared([](Inputs in, const Array& out, Attrs) -> std::function<void()> {
          if (out.ndim() != 2) return nullptr;
          return prepared_matmul(in[0], in[1], out, {});
        })
        .multiplies([](const Dims* in, const Dims& out) { return count(out) * in[0].back(); })
        .ends_in(Role::kReluGrad, kMatmulReluGrad)
        .streams([](Inputs in, const TileReader& reader) { matmul_tiles(in[0], in[1], reader); });

// ----- a dense layer: x (n, in), weight (out, in), bias (out,) -----

Layout infer_linear(Inputs in, Attrs) {
  return {in[0].dtype, {in[0].shape[0], in[1].shape[0]}, -1, 0, {in[1].shape[0], 1}};
}
void eval_linear(Inputs in, const Array& out, Attrs) {
  Layout turned = in[1].layout();
  std::swap(turned.shape[0], turned.shape[1]);
  std::swap(turned.strides[0], turned.strides[1]);
  const Array bias = contiguous(in[2]);
  matmul(in[0], in[1].view(turned), &bias, out);
}
template <bool kRelu>
std::function<void()> prepare_linear(Inputs in, const Array& out, Attrs) {
  if (in[2].strides[0] != 1) return nullptr;
  return prepared_matmul(in[0], in[1], out, {true, &in[2], kRelu});
}

constexpr Primitive kLinearRelu = primitive("linear_relu", infer_linear)
                                      .no_derivative()
                                      .only_in_plans()
                                      .run([](Inputs in, const Array& out, Attrs attrs) {
                                        eval_linear(in, out, attrs);
                                        unary(UnaryOp::kRelu, out, out);
                                      })
                                      .prepared(prepare_linear<true>);

Vars batch_linear(const BatchedCall& b) {
  if (!b.has(1) && !b.has(2)) return {unfolded(linear(folded(b[0]), b[1], b[2]), b.size)};
  const Var bias = b.has(2) ? reshape(b[2], {b.size, 1, b[2].shape().back()}) : b[2];
  return {matmul(spread(b, 0), transpose(spread(b, 1))) + bias};
}

constexpr Primitive kLinear =
    primitive("linear", infer_linear)
        .vjp(
            [](Pullback& p) {
              if (p.wants(0)) p.gin[0] = matmul(p.g, p.in[1]);
              if (p.wants(1))
                p.gin[1] = transpose(matmul(transpose(p.in[0]), p.g));  // in the memory order of a layer's weight
              if (p.wants(2)) p.gin[2] = sum(p.g, {0}, false);
            },
            kReadsA | kReadsB)
        .batch(batch_linear)
        .run(eval_linear)
        .multiplies([](const Dims* in, const Dims& out) { return count(out) * in[0].back(); })
        .prepared(prepare_linear<false>)
        .ends_in(Role::kRelu, kLinearRelu);

}  // namespace

Var matmul(const Var& x, const Var& y) {
  if (x.shape().empty() || y.shape().empty())
    throw ShapeError("[matmul] takes arrays with at least one axis, got " + to_string(x.shape()) + " @ " +
                     to_string(y.shape()) + "; use * for a number");
  DType dtype = common(x, y);
  const bool whole = !is_float(dtype);
  const DType meet = whole ? DType::kFloat64 : dtype;  // exact up to 2^53
  Var a = to(x, meet), b = to(y, meet);
  const bool row = a.shape().size() == 1, column = b.shape().size() == 1;
  if (row) a = reshape(a, {1, a.shape()[0]});
  if (column) b = reshape(b, {b.shape()[0], 1});
  Var out = apply(kMatmul, {&a, &b});
  if (row || column) {
    Dims shape;
    const int n = out.shape().size();
    for (int i = 0; i < n; ++i)
      if (!(row && i == n - 2) && !(column && i == n - 1)) shape.push_back(out.shape()[i]);
    out = reshape(out, shape);
  }
  return whole ? astype(out, dtype) : out;
}

Var linear(const Var& x, const Var& weight, const Var& bias) {
  if (x.shape().empty() || weight.shape().size() != 2 || x.shape().back() != weight.shape()[1])
    throw ShapeError("[linear] expected x (..., in) and weight (out, in), got " + to_string(x.shape()) + " and " +
                     to_string(weight.shape()));
  if (!bias) return matmul(x, transpose(weight));
  if (bias.shape() != Dims{weight.shape()[0]})
    throw ShapeError("[linear] expected a bias of shape (" + std::to_string(weight.shape()[0]) + ",), got " +
                     to_string(bias.shape()));
  const DType dtype = promote(promote(settle(x).dtype(), weight.dtype()), bias.dtype());
  const DType meet = is_float(dtype) ? dtype : default_dtype();
  int64_t count = 1;
  for (int i = 0; i + 1 < x.shape().size(); ++i) count *= x.shape()[i];
  const Var rows = reshape(to(x, meet), {count, weight.shape()[1]});
  const Var out = apply(kLinear, {rows, to(weight, meet), to(bias, meet)});
  Dims shape = x.shape();
  shape[shape.size() - 1] = weight.shape()[0];
  return reshape(out, shape);
}

Var transpose(const Var& x) {
  Dims axes = all_axes(x);
  const int n = axes.size();
  if (n < 2) throw ShapeError("[transpose] needs at least two axes, got " + to_string(x.shape()));
  std::swap(axes[n - 1], axes[n - 2]);
  return permute(x, axes);
}

}  // namespace fallline
