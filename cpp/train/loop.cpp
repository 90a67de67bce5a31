// How is an epoch run without Python?
#include "train/loop.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "ops/plain.h"
#include "simd/flush.h"

namespace fallline {

BatchPlan::BatchPlan(std::shared_ptr<Plan> plan, const std::vector<Source>& sources, int key_input, int scalars,
                     std::vector<Array> buffers)
    : plan_(std::move(plan)), buffers_(std::move(buffers)), key_input_(key_input), scalars_(scalars), batch_(0) {
  std::vector<BatchRows> rows;
  for (const Source& source : sources) {
    const Array& wanted = plan_->input(source.input);
    batch_ = wanted.shape[0];
    rows.emplace_back(source.rows, wanted);
    inputs_.push_back(source.input);
  }
  batches_ = std::make_unique<Batches>(std::move(rows), batch_);
  if (key_input_ >= 0) {
    key_ = Array::empty({2}, DType::kUint64);
    plan_->bind(key_input_, key_.data);
  }
}

void BatchPlan::run(RandomOrder* order, int64_t begin, int64_t end, uint64_t key, uint64_t step) {
  batches_->go_to(order, begin, end);
  for (size_t i = 0; i < inputs_.size(); ++i) plan_->bind(inputs_[i], batches_->of(static_cast<int>(i)));
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

bool BatchPlan::weightless() const {
  if (inputs_.size() < 3) return false;
  return visit(plan_->input(inputs_[2]).dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    const T* weight = reinterpret_cast<const T*>(batches_->of(2));
    return std::all_of(weight, weight + batch_, [](T w) { return w == T(0); });
  });
}

double BatchPlan::scalar(int i) const {
  const Array& value = plan_->output(i);
  return visit(value.dtype, [&](auto tag) { return static_cast<double>(*value.as<typename decltype(tag)::Type>()); });
}

Trainer::Trainer(std::shared_ptr<BatchPlan> plan, std::shared_ptr<BatchPlan> last, const Parameters& parameters) {
  const auto part = [&](std::shared_ptr<BatchPlan>& p) {
    return Part{p, std::make_unique<Update>(parameters, *p->plan(), p->scalars())};
  };
  whole_ = part(plan);
  if (last) last_ = part(last);
}

Trainer::Trainer(std::shared_ptr<BatchPlan> plan, std::shared_ptr<BatchPlan> last, std::shared_ptr<Program> program,
                 bool guards)
    : whole_{std::move(plan), nullptr},
      last_{std::move(last), nullptr},
      program_(std::move(program)),
      guards_(guards) {}

void Trainer::start(int64_t samples, std::shared_ptr<RandomOrder> order, Array hypers, int64_t t, uint64_t key,
                    double max_norm, const Array& record) {
  samples_ = samples;
  order_ = std::move(order);
  hypers_ = std::move(hypers);
  t_ = t;
  key_ = key;
  max_norm_ = max_norm;
  done_ = record.shape[0];
  state_ = State::kRunning;
  record_ = Array::empty({steps(), whole_.plan->scalars() + 1}, DType::kFloat64);
  std::copy_n(record.as<double>(), record.size(), record_.as<double>());
}

namespace {

// Whether the time is up. For short steps the clock is read less and less often, for that takes as long as one of their
// kernels.
class Deadline {
 public:
  explicit Deadline(double seconds)
      : last_(Clock::now()), end_(last_ + std::chrono::duration_cast<Clock::duration>(Seconds(seconds))) {}
  bool passed() {
    if (--steps_ > 0) return false;
    const Clock::time_point now = Clock::now();
    between_ = now - last_ < std::chrono::microseconds(50) ? 2 * between_ : std::max<int64_t>(1, between_ / 2);
    last_ = now;
    steps_ = between_;
    return now >= end_;
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  Clock::time_point last_, end_;
  int64_t between_ = 1, steps_ = 1;
};

// Before and after the loop Python runs, which may write to the data.
struct Fresh {
  BatchPlan *whole, *last;
  Fresh(BatchPlan* a, BatchPlan* b) : whole(a), last(b) { forget(); }
  ~Fresh() { forget(); }
  void forget() {
    whole->forget();
    if (last) last->forget();
  }
};

}  // namespace

bool Trainer::step() {
  const int64_t batch = whole_.plan->batch(), width = record_.shape[1], begin = done_ * batch;
  const Part& part = begin + batch <= samples_ || !last_.plan ? whole_ : last_;
  BatchPlan& plan = *part.plan;
  const int64_t t = t_ + done_ + 1;
  if (part.update) part.update->begin(hypers_.as<double>() + done_ * hypers_.shape[1], t);
  plan.run(order_.get(), begin, samples_, key_, static_cast<uint64_t>(t));
  double* row = record_.as<double>() + done_ * width;
  for (int i = 0; i < plan.scalars(); ++i) row[i] = plan.scalar(i);
  if (!std::isfinite(row[0]) && plan.weightless()) {
    std::fill_n(row, width, std::nan(""));
    if (program_) program_->skip();
    return true;
  }
  if (!guards_ && !std::isfinite(row[0])) return false;
  row[width - 1] = part.update ? part.update->finish(max_norm_) : program_->run(*plan.plan(), plan.scalars());
  const bool finite = std::isfinite(row[width - 1]);
  if (finite) plan.write_buffers();
  return finite || guards_;
}

void Trainer::advance(double seconds, int64_t most) {
  Deadline deadline(seconds);
  const FlushToZero scope;
  const Fresh fresh(whole_.plan.get(), last_.plan.get());
  const int64_t end = most < steps() - done_ ? done_ + most : steps();
  while (done_ < end) {
    if (!step()) {
      state_ = State::kDiverged;
      return;
    }
    ++done_;
    if (deadline.passed()) break;
  }
  if (done_ == steps()) state_ = State::kFinished;
}

}  // namespace fallline
