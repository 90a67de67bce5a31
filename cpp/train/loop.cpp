// How is an epoch run without Python?
#include "train/loop.h"

#include <chrono>
#include <cmath>

#include "ops/elementwise.h"
#include "ops/plain.h"
#include "ops/reduce_kernels.h"
#include "simd/flush.h"

namespace fallline {

BatchPlan::BatchPlan(std::shared_ptr<Plan> plan, const std::vector<Source>& sources, int key_input, int scalars,
                     std::vector<Array> buffers)
    : plan_(std::move(plan)), buffers_(std::move(buffers)), key_input_(key_input), scalars_(scalars), batch_(0) {
  for (const Source& source : sources) {
    const Array& wanted = plan_->input(source.input);
    batch_ = wanted.shape[0];
    sources_.push_back({BatchRows(source.rows, wanted), source.input});
  }
  if (key_input_ >= 0) {
    key_ = Array::empty({2}, DType::kUint64);
    plan_->bind(key_input_, key_.data);
  }
}

void BatchPlan::run(const int64_t* order, int64_t begin, uint64_t key, uint64_t step) {
  for (Rows& source : sources_) plan_->bind(source.input, source.rows.batch(order, begin));
  if (key_input_ >= 0) {
    key_.as<uint64_t>()[0] = key;
    key_.as<uint64_t>()[1] = step;
  }
  plan_->run();
}

void BatchPlan::write_buffers() {
  for (size_t i = 0; i < buffers_.size(); ++i) {
    cast(plan_->output(scalars_ + gradient_count() + static_cast<int>(i)), buffers_[i]);
    buffers_[i].buffer->bump();
  }
}

double BatchPlan::scalar(int i) const {
  const Array& value = plan_->output(i);
  return visit(value.dtype, [&](auto tag) { return static_cast<double>(*value.as<typename decltype(tag)::Type>()); });
}

double global_norm(const std::vector<Array>& arrays) {
  double sum = 0;
  for (const Array& x : arrays) sum += reduce_kernels().sum_squares[float_index(x.dtype)](x.data, x.size());
  return std::sqrt(sum);
}

Update::Update(int rule_number, Precision precision, std::vector<Array> params, std::vector<std::vector<Array>> slots)
    : rule_(rule(rule_number)), precision_(precision), params_(std::move(params)) {
  for (size_t i = 0; i < params_.size(); ++i) {
    RuleTensor tensor{};
    tensor.n = params_[i].size();
    tensor.w = params_[i].data;
    for (size_t s = 0; s < slots[i].size(); ++s) tensor.slots[s] = slots[i][s].data;
    tensors_.push_back(tensor);
  }
  staged_.resize(params_.size());
  end_ = lay_out(tensors_.data(), static_cast<int64_t>(tensors_.size()), precision_);
}

double Update::step(const std::vector<Array>& grads, const double* hypers, int64_t t, double max_norm) {
  FlushToZero scope;
  const double norm = global_norm(grads);
  if (!std::isfinite(norm)) return norm;
  for (size_t i = 0; i < grads.size(); ++i) {
    const Array &g = grads[i], &w = params_[i];
    const bool same_order = g.strides == w.strides || (g.row_major() && w.row_major());
    const bool clip = max_norm > 0 && norm > max_norm;
    if (same_order && !clip) {
      tensors_[i].g = g.data;
      continue;
    }
    Array& staged = staged_[i];
    if (!staged.buffer) {
      staged = Array::empty(w.shape, w.dtype);
      staged.strides = w.strides;
    }
    cast(g, staged);
    if (clip) binary(BinaryOp::kMultiply, staged, Array::scalar(max_norm / norm, w.dtype), staged);
    tensors_[i].g = staged.data;
  }
  if (tensors_.empty()) return norm;
  rule_step(rule_, params_[0].dtype, hypers, t, tensors_.data(), static_cast<int64_t>(tensors_.size()), end_,
            precision_);
  for (const Array& w : params_) w.buffer->bump();
  return norm;
}

Trainer::Trainer(std::shared_ptr<BatchPlan> plan, std::shared_ptr<BatchPlan> last, std::shared_ptr<Update> update)
    : plan_(std::move(plan)), last_(std::move(last)), update_(std::move(update)) {}

void Trainer::start(int64_t samples, Array order, Array hypers, int64_t t, uint64_t key, double max_norm) {
  samples_ = samples;
  order_ = std::move(order);
  hypers_ = std::move(hypers);
  t_ = t;
  key_ = key;
  max_norm_ = max_norm;
  done_ = 0;
  record_ = Array::empty({steps(), plan_->scalars() + 1}, DType::kFloat64);
}

Trainer::State Trainer::advance(double seconds) {
  using Clock = std::chrono::steady_clock;
  const auto deadline =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const int64_t batch = plan_->batch(), width = record_.shape[1];
  while (done_ < steps()) {
    const int64_t begin = done_ * batch;
    BatchPlan& plan = begin + batch <= samples_ || !last_ ? *plan_ : *last_;
    const int64_t t = t_ + done_ + 1;
    plan.run(order_.buffer ? order_.as<int64_t>() : nullptr, begin, key_, static_cast<uint64_t>(t));
    double* row = record_.as<double>() + done_ * width;
    for (int i = 0; i < plan.scalars(); ++i) row[i] = plan.scalar(i);
    if (!std::isfinite(row[0])) return State::kDiverged;
    const int64_t count = plan.gradient_count();
    grads_.resize(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; ++i)
      grads_[static_cast<size_t>(i)] = plan.output(plan.scalars() + static_cast<int>(i));
    row[width - 1] = update_->step(grads_, hypers_.as<double>() + done_ * hypers_.shape[1], t, max_norm_);
    if (!std::isfinite(row[width - 1])) return State::kDiverged;
    plan.write_buffers();
    ++done_;
    if (Clock::now() >= deadline) break;
  }
  return done_ == steps() ? State::kFinished : State::kRunning;
}

}  // namespace fallline
