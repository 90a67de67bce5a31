// What happens to the steps of a graph before they are placed?  One pass after another, each a function of the
// schedule. None changes a bit of any result.
#ifndef FALLLINE_PLAN_PASSES_H_
#define FALLLINE_PLAN_PASSES_H_

#include "record/graph.h"

namespace fallline {

struct Schedule {
  std::vector<Graph::Step> steps;
  std::vector<Graph::Value> values;
  std::vector<int>& outputs;  // values that must stay
};

// The steps that `outputs` need, in their order; bodies lose results and inputs that nobody reads.
void remove_unread(Schedule& schedule);
// Steps that compute what an earlier one has computed.
void remove_repeated(Schedule& schedule);
// Neighbouring steps that have one kernel for all of them, with less memory to pass through (Merged, Summed and Paired
// of record/primitive.h): relu before max_pool2d, and both on the way back, where nobody else reads what lies between;
void merge_before_pooling(Schedule& schedule);
void merge_negations(Schedule& schedule);  // additions of negated values;
void merge_sums(Schedule& schedule);       // sums of what is placed among zeros;
void merge_pairs(Schedule& schedule);      // a cross entropy and its gradient, which share their exponentials;
void merge_ends(Schedule& schedule);       // relu after a dense layer, its derivative after a product.

struct Pass {
  const char* took;  // what it takes away, for print(plan)
  void (*run)(Schedule& schedule);
};
constexpr Pass kPasses[] = {
    {"repeated", remove_repeated},  {"unread", remove_unread}, {"into pooling", merge_before_pooling},
    {"negations", merge_negations}, {"into sums", merge_sums}, {"into pairs", merge_pairs},
    {"into products", merge_ends},
};

}  // namespace fallline

#endif  // FALLLINE_PLAN_PASSES_H_
