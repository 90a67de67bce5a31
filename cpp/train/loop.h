// How is an epoch run without Python?  Gather a batch, run the plan, apply the rule; n times.
#ifndef FALLLINE_TRAIN_LOOP_H_
#define FALLLINE_TRAIN_LOOP_H_

#include <memory>

#include "plan/plan.h"
#include "train/batch_rows.h"
#include "train/program.h"
#include "train/update.h"

namespace fallline {

// Rows of the data sets that go into one batch: x, targets, perhaps weights.
struct Source {
  Array rows;  // (n, ...), any dtype and strides; read where it lies
  int input;   // the plan's input that takes them
};

// A plan over one batch size, with the memory that its inputs are gathered into. The plan's outputs are scalars to be
// averaged, the first of them the loss, then one gradient per parameter, then a new value for each of `buffers`, such
// as running statistics.
class BatchPlan {
 public:
  BatchPlan(std::shared_ptr<Plan> plan, const std::vector<Source>& sources, int key_input, int scalars,
            std::vector<Array> buffers);

  // Runs the plan on the rows from place `begin` of the order on, or on rows [begin, begin + batch) where it is null.
  // More rows, up to place `end`, may be taken from the data set for runs that follow in the same order, until
  // forget().
  void run(RandomOrder* order, int64_t begin, int64_t end, uint64_t key, uint64_t step);
  void forget() { batches_->forget(); }
  void write_buffers();     // with what the last run found for them
  bool weightless() const;  // whether the samples of the last run, whose third source are weights, all count nothing

  int64_t batch() const { return batch_; }
  int scalars() const { return scalars_; }
  double scalar(int i) const;
  const Array& output(int i) const { return plan_->output(i); }
  int gradient_count() const { return plan_->output_count() - scalars_ - static_cast<int>(buffers_.size()); }
  const std::shared_ptr<Plan>& plan() const { return plan_; }

 private:
  std::shared_ptr<Plan> plan_;
  std::vector<int> inputs_;  // of the plan, by source
  std::unique_ptr<Batches> batches_;
  std::vector<Array> buffers_;
  Array key_;
  int key_input_, scalars_;
  int64_t batch_;
};

// An epoch: plan, rule, plan, rule ... with what came of every step.
class Trainer {
 public:
  enum class State { kRunning, kFinished, kDiverged };

  // `last` takes the shorter batch at the end, or is null where there is none.
  Trainer(std::shared_ptr<BatchPlan> plan, std::shared_ptr<BatchPlan> last, const Parameters& parameters);
  // The same with all that a program does instead of one rule. One that `guards` leaves out by itself what is not
  // finite.
  Trainer(std::shared_ptr<BatchPlan> plan, std::shared_ptr<BatchPlan> last, std::shared_ptr<Program> program,
          bool guards);

  // The samples in the order of `order`, or in their own where it is null. One row of `hypers` for each step; `t` steps
  // have been taken before. `key` and the step number decide what dropout drops. The rows of `record` tell of steps of
  // this epoch that are done already.
  void start(int64_t samples, std::shared_ptr<RandomOrder> order, Array hypers, int64_t t, uint64_t key,
             double max_norm, const Array& record);
  // Goes on for about `seconds`, and at most so many steps. On divergence (a loss or a gradient that is not finite) it
  // stops, and `done` does not count the step; after a gradient that is not finite the parameters may not be either.
  void advance(double seconds, int64_t most);
  State state() const { return state_; }

  int64_t steps() const { return hypers_.shape.empty() ? 0 : hypers_.shape[0]; }
  int64_t done() const { return done_; }
  // (steps, scalars + 1) float64: the plan's scalars and the norm of the gradient.
  const Array& record() const { return record_; }

 private:
  struct Part {
    std::shared_ptr<BatchPlan> plan;
    std::unique_ptr<Update> update;  // null where there is a program
  };

  bool step();  // false where the loss or a gradient is not finite, but for a batch that counts nothing: no step, NaN

  Part whole_, last_;
  std::shared_ptr<Program> program_;
  bool guards_ = false;
  std::shared_ptr<RandomOrder> order_;
  Array hypers_, record_;
  State state_ = State::kFinished;
  int64_t samples_ = 0, t_ = 0, done_ = 0;
  uint64_t key_ = 0;
  double max_norm_ = 0;
};

}  // namespace fallline

#endif  // FALLLINE_TRAIN_LOOP_H_
