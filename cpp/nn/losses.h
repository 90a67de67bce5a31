// Softmax and the losses that pay for a kernel of their own, as recorded functions.
#ifndef FALLLINE_NN_LOSSES_H_
#define FALLLINE_NN_LOSSES_H_

#include "primitives/functions.h"

namespace fallline {

Var softmax(const Var& x, int axis);
Var log_softmax(const Var& x, int axis);

// logits (n, classes), labels (n,) int64 in [0, classes) -> (n,): log(sum(exp(x))) - x[label].
Var cross_entropy(const Var& logits, const Var& labels);
// targets (n, classes) -> (n,): -sum(t log(softmax(x))).
Var soft_cross_entropy(const Var& logits, const Var& targets);

}  // namespace fallline

#endif  // FALLLINE_NN_LOSSES_H_
