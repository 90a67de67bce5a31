// Which outputs of a plan are handed out tile by tile?  A weight's gradient that is a product of two matrices and has
// no other reader need not lie in memory: an update rule takes every tile while it is in the cache.
#ifndef FALLLINE_PLAN_STREAM_H_
#define FALLLINE_PLAN_STREAM_H_

#include <functional>

#include "record/graph.h"

namespace fallline {

// An output that may be streamed, and the layout of the memory that its reader works on.
struct Stream {
  int output;  // place among the plan's outputs
  Layout target;
};

// Smaller gradients stay in a cache until the rule's sweep, which reads everything in order, and that is faster: with
// streams a step of 784-512-256-10 took 4 to 8 % longer, on a Xeon and on a Zen 5 of two cores. One of
// 1024-1024-1024-1024 took 4 % less on the Zen 5, one of 2048-2048 the same and one of 4096-4096 10 % less on the Xeon.
constexpr int64_t kStreamElements = int64_t{1} << 20;

// Moves to the end the steps whose results can be streamed: the readers change parameters, which no later step may
// read. Returns for every output the value that streams into it, or -1. `steps` have no views; `root` tells where the
// memory of a value begins.
std::vector<int> stream_last(std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values,
                             const std::vector<int>& outputs, const std::vector<Stream>& wanted,
                             const std::function<int(int)>& root);

}  // namespace fallline

#endif  // FALLLINE_PLAN_STREAM_H_
