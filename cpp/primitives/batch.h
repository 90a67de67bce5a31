// How do many calls of a row become one?  The usual rules, and what other rules are made of.
#ifndef FALLLINE_PRIMITIVES_BATCH_H_
#define FALLLINE_PRIMITIVES_BATCH_H_

#include "primitives/functions.h"

namespace fallline {

// Of functions that broadcast: the same call, with axes of length 1 where an example has fewer than another.
Vars batch_elementwise(const BatchedCall& b);
// Of functions whose first axis is a batch already, for every input and output: the same call on all of them.
Vars batch_rows(const BatchedCall& b);
// Of functions that treat all axes but the last alike, and broadcast nothing.
Vars batch_leading(const BatchedCall& b);

// Of one example.
Dims shape_of(const BatchedCall& b, int i);
// Input i with the examples along its first axis, repeated where it is the same for all.
Var spread(const BatchedCall& b, int i);
// With the examples along axis `to` instead of the first, and back.
Var moved(const Var& x, int to);
Var moved_back(const Var& x, int from);
// The first axes as one, and back.
Var folded(const Var& x, int first = 0);
Var unfolded(const Var& x, int64_t size, int first = 0);
Dims with_first(int64_t first, const Dims& rest);
inline Dims after_first(Dims axes) {  // axes of an example as those of a batch
  for (int i = 0; i < axes.size(); ++i) ++axes[i];
  return axes;
}

}  // namespace fallline

#endif  // FALLLINE_PRIMITIVES_BATCH_H_
