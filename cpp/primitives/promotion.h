// Which dtype do arguments meet in?  NumPy's rules, with plain numbers weak.
#ifndef FALLLINE_PRIMITIVES_PROMOTION_H_
#define FALLLINE_PRIMITIVES_PROMOTION_H_

#include "primitives/functions.h"

namespace fallline {

// The dtype that two arguments meet in; a plain number follows the array.
DType common(const Var& x, const Var& y);

inline Var to(const Var& x, DType dtype) { return x.dtype() == dtype ? x : astype(x, dtype); }

// Integers, bool and plain numbers in the default dtype; floats as they are.
inline Var to_float(const Var& x) {
  if (is_float(x.dtype()) && !x.weak()) return x;
  const Var y = to(x, default_dtype());
  return y.weak() ? detach(y) : y;
}

}  // namespace fallline

#endif  // FALLLINE_PRIMITIVES_PROMOTION_H_
