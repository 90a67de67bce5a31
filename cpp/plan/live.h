// Which steps does a plan need?  Those that its outputs depend on; and of a body only what somebody reads.
#ifndef FALLLINE_PLAN_LIVE_H_
#define FALLLINE_PLAN_LIVE_H_

#include "record/graph.h"

namespace fallline {

// The steps that `outputs` need, in their order. Bodies lose results and inputs that nobody reads; `values` learns
// where the others lie then.
std::vector<Graph::Step> live_steps(const std::vector<Graph::Step>& steps, std::vector<Graph::Value>& values,
                                    const std::vector<int>& outputs);

}  // namespace fallline

#endif  // FALLLINE_PLAN_LIVE_H_
