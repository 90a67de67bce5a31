// Products of matrices and of batches of them.
#include "ops/matmul.h"

#include <utility>

namespace fallline {
namespace {

// The strides of the leading axes.
Dims batch_strides(const Array& x, const Dims& batch) {
  Dims shape, strides;
  for (int i = 0; i + 2 < x.ndim(); ++i) {
    shape.push_back(x.shape[i]);
    strides.push_back(x.strides[i]);
  }
  return broadcast_strides(shape, strides, batch);
}

// Of the last two axes.
MatmulArgs factors(const Array& x, const Array& y) {
  MatmulArgs args{};
  args.m = x.shape[x.ndim() - 2];
  args.n = y.shape[y.ndim() - 1];
  args.k = x.shape[x.ndim() - 1];
  args.a_row = x.strides[x.ndim() - 2];
  args.a_col = x.strides[x.ndim() - 1];
  args.b_row = y.strides[y.ndim() - 2];
  args.b_col = y.strides[y.ndim() - 1];
  return args;
}

}  // namespace

void matmul(const Array& x, const Array& y, const Array* bias, const Array& out) {
  if (out.size() == 0) return;
  MatmulArgs args = factors(x, y);
  args.c_row = out.strides[out.ndim() - 2];
  args.bias = bias ? bias->data : nullptr;
  const auto run = matmul_kernels().run[float_index(out.dtype)];
  const int64_t size = static_cast<int64_t>(size_of(out.dtype));

  // The innermost leading axis is one call; the others are an odometer over such calls.
  Dims batch;
  for (int i = 0; i + 2 < out.ndim(); ++i) batch.push_back(out.shape[i]);
  const Dims xs = batch_strides(x, batch), ys = batch_strides(y, batch);
  const int last = batch.size() - 1;
  int64_t outer = 1;
  for (int i = 0; i < last; ++i) outer *= batch[i];
  if (last >= 0) {
    args.batch = batch[last];
    args.a_batch = xs[last];
    args.b_batch = ys[last];
    args.c_batch = out.strides[last];
  }
  for (int64_t k = 0; k < outer; ++k) {
    int64_t rest = k, a = 0, b = 0, c = 0;
    for (int i = last - 1; i >= 0; --i) {
      const int64_t index = rest % batch[i];
      rest /= batch[i];
      a += index * xs[i];
      b += index * ys[i];
      c += index * out.strides[i];
    }
    args.a = x.data + a * size;
    args.b = y.data + b * size;
    args.c = out.data + c * size;
    run(args);
  }
}

std::function<void()> prepared_matmul(const Array& x, const Array& y, const Array& out, const MatmulCall& how) {
  MatmulArgs args = factors(x, y);
  args.n = out.shape[1];
  if (how.turn_y) std::swap(args.b_row, args.b_col);
  args.c_row = out.strides[0];
  args.epilogue = how.relu ? Epilogue::kRelu : how.relu_of ? Epilogue::kReluGrad : Epilogue::kNone;
  if (how.relu_of) args.y_row = how.relu_of->strides[0];
  return [args, kind = float_index(out.dtype), how, &x, &y, &out]() mutable {
    args.a = x.data;
    args.b = y.data;
    args.c = out.data;
    args.bias = how.bias ? how.bias->data : nullptr;
    args.y = how.relu_of ? how.relu_of->data : nullptr;
    matmul_kernels().run[kind](args);
  };
}

void matmul_tiles(const Array& x, const Array& y, const TileReader& reader) {
  MatmulArgs args = factors(x, y);
  args.a = x.data;
  args.b = y.data;
  args.finish = reader.read;
  args.finish_context = reader.context;
  matmul_kernels().run[float_index(x.dtype)](args);
}

}  // namespace fallline
