// Which neighbouring steps of a plan have one kernel for all of them?  The same bits, with less memory to pass through.
#ifndef FALLLINE_PLAN_PEEPHOLE_H_
#define FALLLINE_PLAN_PEEPHOLE_H_

#include "record/graph.h"

namespace fallline {

// Replaces relu after a dense layer, and its derivative after the product on the way back; relu before max_pool2d, and
// both on the way back, where nobody else reads what lies between; additions of negated values; sums of what is placed
// among zeros; and a cross entropy and its gradient, which share their exponentials. `outputs` are values that must
// stay.
void merge_steps(std::vector<Graph::Step>& steps, const std::vector<int>& outputs);

}  // namespace fallline

#endif  // FALLLINE_PLAN_PEEPHOLE_H_
