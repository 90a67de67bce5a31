// Softmax and the losses that pay for a kernel of their own.
#include "nn/losses.h"

#include "primitives/batch.h"
#include "nn/softmax_kernels.h"
#include "ops/move.h"

namespace fallline {
namespace {

struct Rows {
  int64_t rows, classes;
  explicit Rows(const Array& x) : rows(x.shape.back() ? x.size() / x.shape.back() : 0), classes(x.shape.back()) {}
};

Layout row_major_like(Inputs in, Attrs) { return {in[0].dtype, in[0].shape, -1, 0, row_major(in[0].shape)}; }
Layout one_per_row(Inputs in, Attrs) { return {in[0].dtype, {in[0].shape[0]}, -1, 0, {1}}; }

Var last_sum(const Var& x) { return sum(x, {x.shape().size() - 1}, true); }
Var column(const Var& g) { return reshape(g, {g.shape()[0], 1}); }

// ----- softmax over the last axis -----

template <bool kLog>
void eval_softmax(Inputs in, const Array& out, Attrs) {
  const Array x = contiguous(in[0]);
  const Rows r(x);
  const auto& kernels = softmax_kernels();
  (kLog ? kernels.log_softmax : kernels.softmax)[float_index(x.dtype)](x.data, out.data, r.rows, r.classes);
}
template <bool kLog>
void eval_softmax_grad(Inputs in, const Array& out, Attrs) {
  const Array g = contiguous(in[0]), y = contiguous(in[1]);
  const Rows r(y);
  const auto& kernels = softmax_kernels();
  (kLog ? kernels.log_softmax_grad : kernels.softmax_grad)[float_index(y.dtype)](g.data, y.data, out.data, r.rows,
                                                                                 r.classes);
}
template <bool kLog>
constexpr Primitive kSoftmaxGrad =
    primitive("softmax_grad", row_major_like).no_derivative().batch(batch_leading).run(eval_softmax_grad<kLog>);
template <bool kLog>
void pull_softmax(Pullback& p) {
  const Var &g = p.g, &y = p.out;
  if (!recording())
    p.gin[0] = apply(kSoftmaxGrad<kLog>, {g, y});
  else if (kLog)
    p.gin[0] = g - exp(y) * last_sum(g);
  else
    p.gin[0] = y * (g - last_sum(g * y));
}
constexpr Primitive kSoftmax = primitive("softmax", row_major_like)
                                   .vjp(pull_softmax<false>, kReadsY)
                                   .batch(batch_leading)
                                   .run(eval_softmax<false>);
constexpr Primitive kLogSoftmax = primitive("log_softmax", row_major_like)
                                      .vjp(pull_softmax<true>, kReadsY)
                                      .batch(batch_leading)
                                      .run(eval_softmax<true>);

Var over_axis(const Primitive& primitive, const Var& x, int axis) {
  const Var y = is_float(x.dtype()) ? x : settle(astype(x, default_dtype()));
  const int last = y.shape().size() - 1;
  if (axis == last) return apply(primitive, {y});
  Dims swapped = all_axes(y);
  std::swap(swapped[axis], swapped[last]);
  return permute(apply(primitive, {permute(y, swapped)}), swapped);
}

// ----- cross entropy; the gradient is one kernel: (softmax(x) - target) g -----

constexpr Primitive kCrossEntropyGrad =
    primitive("cross_entropy_grad", row_major_like)
        .no_derivative()
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs) {
          const Array x = contiguous(in[0]), labels = contiguous(in[1]);
          const Rows r(x);
          softmax_kernels().cross_entropy[float_index(x.dtype)](x.data, labels.as<int64_t>(), in[2].data,
                                                                in[2].strides[0], nullptr, out.data, r.rows, r.classes);
        });

Var one_hot(const Var& labels, int64_t classes, DType dtype) {
  Array numbers = Array::empty({classes}, DType::kInt64);
  for (int64_t i = 0; i < classes; ++i) numbers.as<int64_t>()[i] = i;
  return astype(equal(column(labels), Var(numbers)), dtype);
}

constexpr Primitive kCrossEntropyAndGrad =  // of scores, labels and the gradient of the losses: losses, gradient
    primitive("cross_entropy_and_grad",
              [](Inputs in, Attrs attrs) {
                return Layouts{one_per_row(in, attrs), row_major_like(in, attrs)};
              })
        .no_derivative()
        .only_in_plans()
        .run([](Inputs in, Inputs out, Attrs) {
          const Array x = contiguous(in[0]), labels = contiguous(in[1]);
          const Rows r(x);
          check_indices(labels, r.classes, "cross_entropy");
          softmax_kernels().cross_entropy[float_index(x.dtype)](
              x.data, labels.as<int64_t>(), in[2].data, in[2].strides[0], out[0].data, out[1].data, r.rows, r.classes);
        });

constexpr Primitive kCrossEntropy =
    primitive("cross_entropy", one_per_row)
        .vjp(
            [](Pullback& p) {
              const Var &x = p.in[0], &labels = p.in[1];
              if (!recording())
                p.gin[0] = apply(kCrossEntropyGrad, {x, labels, p.g});
              else
                p.gin[0] = (softmax(x, 1) - one_hot(labels, x.shape()[1], x.dtype())) * column(p.g);
            },
            kReadsA | kReadsB)
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs) {
          const Array x = contiguous(in[0]), labels = contiguous(in[1]);
          const Rows r(x);
          check_indices(labels, r.classes, "cross_entropy");
          softmax_kernels().cross_entropy[float_index(x.dtype)](x.data, labels.as<int64_t>(), nullptr, 0, out.data,
                                                                nullptr, r.rows, r.classes);
        })
        .pairs_with(kCrossEntropyGrad, kCrossEntropyAndGrad);

constexpr Primitive kSoftCrossEntropyGrad =
    primitive("soft_cross_entropy_grad", row_major_like)
        .no_derivative()
        .batch(batch_rows)
        .run([](Inputs in, const Array& out, Attrs) {
          const Array x = contiguous(in[0]), t = contiguous(in[1]);
          const Rows r(x);
          softmax_kernels().soft_cross_entropy[float_index(x.dtype)](x.data, t.data, in[2].data, in[2].strides[0],
                                                                     nullptr, out.data, r.rows, r.classes);
        });

constexpr Primitive kSoftCrossEntropy = primitive("soft_cross_entropy", one_per_row)
                                            .vjp(
                                                [](Pullback& p) {
                                                  const Var &x = p.in[0], &t = p.in[1], g = column(p.g);
                                                  if (p.wants(0) && !recording())
                                                    p.gin[0] = apply(kSoftCrossEntropyGrad, {x, t, p.g});
                                                  else if (p.wants(0))
                                                    p.gin[0] = (softmax(x, 1) * last_sum(t) - t) * g;
                                                  if (p.wants(1)) p.gin[1] = -log_softmax(x, 1) * g;
                                                },
                                                kReadsA | kReadsB)
                                            .batch(batch_rows)
                                            .run([](Inputs in, const Array& out, Attrs) {
                                              const Array x = contiguous(in[0]), t = contiguous(in[1]);
                                              const Rows r(x);
                                              softmax_kernels().soft_cross_entropy[float_index(x.dtype)](
                                                  x.data, t.data, nullptr, 0, out.data, nullptr, r.rows, r.classes);
                                            });

}  // namespace

Var softmax(const Var& x, int axis) { return over_axis(kSoftmax, x, axis); }
Var log_softmax(const Var& x, int axis) { return over_axis(kLogSoftmax, x, axis); }
Var cross_entropy(const Var& logits, const Var& labels) { return apply(kCrossEntropy, {logits, detach(labels)}); }
Var soft_cross_entropy(const Var& logits, const Var& targets) {
  return apply(kSoftCrossEntropy, {logits, astype(targets, logits.dtype())});
}

}  // namespace fallline
