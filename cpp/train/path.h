// Which landscapes are there, and which way does an update rule go on them?
#ifndef FALLLINE_TRAIN_PATH_H_
#define FALLLINE_TRAIN_PATH_H_

#include "record/var.h"
#include "optim/rules.h"
#include "train/terrain.h"

namespace fallline {

int landscape_count();
const LandscapeRow& landscape(int index);
// The same formula as operations, for records and traces.
Var landscape(int index, const Var& x, const Var& y);

// The order in which `fit` takes samples: that of an epoch, for a seed.
void shuffle_epoch(uint64_t seed, int64_t epoch, int64_t n, int64_t* rows);

// Two parameters and their state, at update t + 1; a row of hyper-parameters for every step.
struct Walker {
  const Rule& rule;
  RuleTensor tensor;
  DType dtype;
  const double* hypers;
  int64_t t;
};

// Makes the steps. `points` and `losses` get one more than there are steps, `gradients` (as they were given to the
// rule) one for each.
void walk(Terrain& terrain, const Walker& walker, int64_t steps, double* points, double* losses, double* gradients);

}  // namespace fallline

#endif  // FALLLINE_TRAIN_PATH_H_
