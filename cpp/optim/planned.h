// How does a rule update values that are not known yet?  As one call of its native kernel in the graph.
#ifndef FALLLINE_OPTIM_PLANNED_H_
#define FALLLINE_OPTIM_PLANNED_H_

#include "record/var.h"

namespace fallline {

// The parameter and then the slots after one more update than `t`, a 0-d int64, which may be traced as all else.
// `hypers` is a row of float64 in the order of Rule::hypers. Without derivatives.
Vars planned_step(int rule, const Var& hypers, const Var& t, const Var& g, const Var& w, const Vars& slots);

}  // namespace fallline

#endif  // FALLLINE_OPTIM_PLANNED_H_
