// How does a rule update values that remember?  The same formulas in graph values, so that derivatives pass through.
#ifndef FALLLINE_OPTIM_TAPED_H_
#define FALLLINE_OPTIM_TAPED_H_

#include <cstdint>

#include "record/var.h"

namespace fallline {

// The parameter and then the slots after update number t >= 1, each in the type it came in. `hypers` are in the order
// of Rule::hypers; plain numbers among them are weak, so that constants are formed in double.
Vars taped_step(int rule, const Vars& hypers, int64_t t, const Var& g, const Var& w, const Vars& slots);

}  // namespace fallline

#endif  // FALLLINE_OPTIM_TAPED_H_
