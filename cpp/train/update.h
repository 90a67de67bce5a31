// How do parameters change after a plan has found their gradients, or while it finds them?
#ifndef FALLLINE_TRAIN_UPDATE_H_
#define FALLLINE_TRAIN_UPDATE_H_

#include "plan/plan.h"
#include "optim/rules.h"

namespace fallline {

// What is updated, and how. Parameters and every state are dense, in the memory order of the gradient; compressed
// states say theirs themselves.
struct Parameters {
  int rule;
  Precision precision;
  std::vector<Array> values;
  std::vector<std::vector<Array>> slots;  // of each parameter
};

// The update of all parameters by one rule, with the gradients of one plan: its outputs from number `first` on. A
// gradient that streams (plan/stream.h) is taken tile by tile, inside the plan's run; the others after it.
class Update {
 public:
  Update(const Parameters& parameters, Plan& plan, int first);
  Update(const Update&) = delete;  // the plan holds addresses in it
  Update& operator=(const Update&) = delete;

  // Before a run: this is update number t (from 1) with this row of hyper-parameters.
  void begin(const double* hypers, int64_t t);
  // After it: updates what has not been, and returns the norm of all gradients. `max_norm` > 0 scales the gradients
  // down to it first; then none may stream. Where the norm is not finite the parameters may have become so too.
  double finish(double max_norm);

 private:
  struct Swept {
    const Array *w, *g;
    bool in_order;  // whether the gradient has the parameter's memory order
    Array staged;   // else, and where it is scaled: the gradient in that order
  };
  struct Tiled {
    const Update* update;
    RuleTensor tensor;
    Array squares;  // sums over kFinishRows rows of every column
  };
  static void read_tile(void* tiled, const MatmulTile& tile);
  void sweep(double scale);  // the gradients times `scale`

  const Rule& rule_;
  Precision precision_;
  DType dtype_;
  std::vector<Array> params_;
  std::vector<RuleTensor> tensors_;  // of swept_
  std::vector<Swept> swept_;
  std::vector<Tiled> tiled_;
  std::vector<double> squares_;  // of the gradients that were swept, in parts
  int64_t end_;
  Coef<double> coef_{};
  const double* hypers_ = nullptr;
  int64_t t_ = 0;
};

// sqrt(sum of all squares), each array summed in float64 from partial sums in an order fixed by its size.
double global_norm(const std::vector<Array>& arrays);

}  // namespace fallline

#endif  // FALLLINE_TRAIN_UPDATE_H_
