// How does a rule update values that are not known yet?  As one call of its native kernel in the graph.
#ifndef FALLLINE_OPTIM_PLANNED_H_
#define FALLLINE_OPTIM_PLANNED_H_

#include "optim/rules.h"
#include "record/var.h"

namespace fallline {

// All tensors after one more update than `t`, a 0-d int64, which may be traced as all else: of each the parameter, then
// its slots. `slots` are those of the first parameter, then of the second, and so on. `hypers` is a row of float64 in
// the order of Rule::hypers. Without derivatives.
Vars planned_step(int rule, Precision precision, const Var& hypers, const Var& t, const Vars& gs, const Vars& ws,
                  const Vars& slots);

}  // namespace fallline

#endif  // FALLLINE_OPTIM_PLANNED_H_
