// Dropout, whose choice is a function of a key.
#ifndef FALLLINE_NN_DROPOUT_H_
#define FALLLINE_NN_DROPOUT_H_

#include "primitives/functions.h"

namespace fallline {

// Inverted dropout: 0 with probability `rate`, else x / (1 - rate). `key` is a uint64 array (key, counter), read at
// every run of a plan; `stream` tells the calls of one step apart.
Var dropout(const Var& x, const Var& key, double rate, int64_t stream);

}  // namespace fallline

#endif  // FALLLINE_NN_DROPOUT_H_
