// How many multiplications with additions does a graph take?  Those of products and convolutions, which are nearly all.
#ifndef FALLLINE_PLAN_COST_H_
#define FALLLINE_PLAN_COST_H_

#include "record/graph.h"

namespace fallline {

// Of the steps from `begin` on; those of a loop as often as it runs.
int64_t multiply_adds(const Graph& graph, size_t begin = 0);

}  // namespace fallline

#endif  // FALLLINE_PLAN_COST_H_
