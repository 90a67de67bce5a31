// exp, log, tanh, erf, pow, sin and kin on Pack<T>, T = float or double. No guard, no includes, no namespace: included
// inside every namespace that has Pack. One text for all targets; where fma is fused the bits are the same everywhere.
//
// "ulp a / b": the largest error seen in millions of arguments over the whole range, on any target, in units of the
// last place of the exact result, for float / double. SSE4, which rounds twice where the others fuse, decides some of
// them. NaN in, NaN out; infinities, zeros, overflow and subnormal numbers as in NumPy, unless a line says otherwise.

#if defined(__SANITIZE_ADDRESS__)
// Sanitized, a copy of them in every loop takes minutes to compile: one each will do.
#undef FL_FN
#define FL_FN inline __attribute__((noinline))
#endif

#include "simd/format.inc.h"
#include "simd/exponential.inc.h"
#include "simd/logarithm.inc.h"
#include "simd/circular.inc.h"
