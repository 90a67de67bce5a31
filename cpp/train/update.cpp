// How do parameters change after a plan has found their gradients, or while it finds them?
#include "train/update.h"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.h"
#include "ops/plain.h"
#include "ops/reduce_kernels.h"
#include "simd/flush.h"
#include "simd/parallel.h"

namespace fallline {
namespace {

double squares_of(const Array& x) { return reduce_kernels().sum_squares[float_index(x.dtype)](x.data, x.size()); }

double sum_of(const Array& x) {
  return visit(x.dtype, [&](auto tag) {
    const auto* p = x.as<typename decltype(tag)::Type>();
    double sum = 0;
    for (int64_t i = 0; i < x.size(); ++i) sum += static_cast<double>(p[i]);
    return sum;
  });
}

RuleTensor tensor_of(const Array& w, const std::vector<Array>& slots) {
  RuleTensor tensor{};
  tensor.n = w.size();
  tensor.w = w.data;
  for (size_t s = 0; s < slots.size(); ++s) tensor.slots[s] = slots[s].data;
  return tensor;
}

bool same_order(const Array& x, const Array& y) { return x.strides == y.strides || (x.row_major() && y.row_major()); }

}  // namespace

double global_norm(const std::vector<Array>& arrays) {
  double sum = 0;
  for (const Array& x : arrays) sum += squares_of(x);
  return std::sqrt(sum);
}

Update::Update(const Parameters& parameters, Plan& plan, int first)
    : rule_(rule(parameters.rule)), precision_(parameters.precision), params_(parameters.values) {
  dtype_ = params_.empty() ? DType::kFloat32 : params_[0].dtype;
  tiled_.reserve(params_.size());
  for (size_t i = 0; i < params_.size(); ++i) {
    const Array& w = params_[i];
    const RuleTensor tensor = tensor_of(w, parameters.slots[i]);
    const int output = first + static_cast<int>(i);
    if (plan.streams(output)) {
      const Dims product = plan.streamed_shape(output);
      const int64_t blocks = (product[0] + kFinishRows - 1) / kFinishRows;
      tiled_.push_back({this, tensor, Array::empty({blocks, product[1]}, w.dtype)});
      plan.set_reader(output, {&read_tile, &tiled_.back()});
    } else {
      tensors_.push_back(tensor);
      swept_.push_back({&w, &plan.output(output), same_order(plan.output(output), w), Array()});
    }
  }
  end_ = lay_out(tensors_.data(), static_cast<int64_t>(tensors_.size()), precision_);
  squares_.resize(static_cast<size_t>((end_ + kSweepGrain - 1) / kSweepGrain));
}

void Update::begin(const double* hypers, int64_t t) {
  hypers_ = hypers;
  t_ = t;
  if (!tiled_.empty()) coef_ = rule_.coef(hypers, t);
}

void Update::read_tile(void* context, const MatmulTile& tile) {
  const Tiled& tiled = *static_cast<const Tiled*>(context);
  const Update& self = *tiled.update;
  const int kind = float_index(self.dtype_);
  const int64_t size = static_cast<int64_t>(size_of(self.dtype_)), columns = tiled.squares.shape[1],
                width = tile.column_end - tile.column;
  const std::byte* const g = static_cast<const std::byte*>(tile.c);
  for (int64_t row = tile.row, end; row < tile.row_end; row = end) {  // the part in one block of rows
    const int64_t block = row / kFinishRows;
    end = std::min(tile.row_end, (block + 1) * kFinishRows);
    reduce_kernels().add_squares[kind](g + (row - tile.row) * tile.c_row * size, end - row, width, tile.c_row,
                                       row % kFinishRows == 0,
                                       tiled.squares.data + (block * columns + tile.column) * size);
  }
  self.rule_.step[kind](
      self.coef_, tiled.tensor,
      {tile.row * columns + tile.column, width, tile.c, tile.row_end - tile.row, columns, tile.c_row});
}

double Update::finish(double max_norm) {
  FlushToZero scope;
  double squares = 0;
  for (const Tiled& tiled : tiled_) squares += sum_of(tiled.squares);
  if (max_norm > 0) {
    for (const Swept& swept : swept_) squares += squares_of(*swept.g);
    const double norm = std::sqrt(squares);
    if (std::isfinite(norm)) sweep(norm > max_norm ? max_norm / norm : 1);
  } else {  // one way through the gradients
    sweep(1);
    for (double part : squares_) squares += part;
  }
  for (const Array& w : params_) w.buffer->bump();
  return std::sqrt(squares);
}

void Update::sweep(double scale) {
  for (size_t i = 0; i < swept_.size(); ++i) {
    Swept& swept = swept_[i];
    tensors_[i].g = swept.g->data;
    if (swept.in_order && scale == 1) continue;
    if (!swept.staged.buffer) {
      swept.staged = Array::empty(swept.w->shape, dtype_);
      swept.staged.strides = swept.w->strides;
    }
    cast(*swept.g, swept.staged);
    if (scale != 1) binary(BinaryOp::kMultiply, swept.staged, Array::scalar(scale, dtype_), swept.staged);
    tensors_[i].g = swept.staged.data;
  }
  rule_step(rule_, dtype_, hypers_, t_, tensors_.data(), static_cast<int64_t>(tensors_.size()), end_, precision_,
            squares_.data());
}

}  // namespace fallline
