// What happens between the gradient of a batch and the next batch?  Plans over arrays that stay where they are, each of
// them within a scope: a part that not every step enters.
#ifndef FALLLINE_TRAIN_PROGRAM_H_
#define FALLLINE_TRAIN_PROGRAM_H_

#include "plan/plan.h"

namespace fallline {

// A part of the program, entered where the one around it is and its own condition holds: one that is known before, such
// as every third time, or one that an earlier plan finds.
struct Scope {
  int around;         // -1: entered at each step
  size_t first;       // the stage before which this is decided
  Array flag;         // a bool that a plan writes; without memory where `turns` of the epoch decide
  Array turns;        // a bool for each time that the scope around is entered
  int64_t times = 0;  // that it was entered in this epoch
  bool open = false;
};

// A plan. Its first input is a row of numbers, a new one each time its scope is entered; the others lie at `inputs`,
// where an array without memory stands for a gradient: that of the parameter with the same number. What comes out is
// written to `outputs`, over inputs too.
struct Stage {
  int scope;
  std::shared_ptr<Plan> plan;
  std::vector<Array> inputs, outputs;
};

class Program {
 public:
  // `norm`: float64, where the first stage leaves the length of all gradients together.
  Program(std::vector<Scope> scopes, std::vector<Stage> stages, Array norm);

  // Before an epoch: of each scope the turns (empty where a flag decides), of each stage the rows (n, numbers) float64.
  void start(const std::vector<Array>& turns, std::vector<Array> rows);
  // One step with these gradients, the outputs of a plan from number `first` on. Returns their length.
  double run(const Plan& gradients, int first);
  void skip() { ++scopes_[0].times; }  // a step that changes nothing
  int64_t times(size_t scope) const { return scopes_[scope].times; }

 private:
  // An array as a plan reads it: in its order of elements, so perhaps by way of a copy.
  struct Place {
    Array home, staged;
    bool copied() const { return staged.buffer != nullptr; }
  };
  struct Ready {
    Stage stage;
    std::vector<Place> inputs;
    std::vector<size_t> gradients;  // inputs
    std::vector<int> copied;        // outputs
    Array rows;
  };

  static Place place_of(const Array& home, const Array& wanted);
  static void prepare(Ready& ready);
  static void bind(Plan& plan, size_t input, const Place& place);
  static void bind_gradients(Ready& ready, const Plan& gradients, int first);
  static void run(Ready& ready, int64_t row);
  void enter(Scope& scope);

  std::vector<Scope> scopes_;
  std::vector<Ready> stages_;
  Array norm_;
  const Plan* bound_ = nullptr;  // whose gradients are read
};

}  // namespace fallline

#endif  // FALLLINE_TRAIN_PROGRAM_H_
