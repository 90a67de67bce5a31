// How are derivatives found?  Nodes are visited from the newest to the oldest, each once; no recursion.
#ifndef FALLLINE_PRIMITIVES_BACKWARD_H_
#define FALLLINE_PRIMITIVES_BACKWARD_H_

#include "record/var.h"

namespace fallline {

// The gradients of sum(outputs * cotangents) with respect to `targets` (made by start_record), in their order; an empty
// Var where there is no path. They are themselves recorded exactly when something older than the targets could still
// ask.
Vars gradients(const Vars& outputs, const Vars& cotangents, const Vars& targets);
// The same with zeros where there is no path.
Vars or_zeros(Vars found, const Vars& targets);
void check_scalar(const Var& value);  // of a function that a gradient is asked of
// Ones with memory for each of them, for a cotangent.
Var dense_ones(const Dims& shape, DType dtype);
// Adds gradients to the leaves that `output` came from. The records stay usable where they are retained.
void backward(const Var& output, const Var& cotangent, bool record, bool retain);

}  // namespace fallline

#endif  // FALLLINE_PRIMITIVES_BACKWARD_H_
