// What could this machine do at best?  Measured beside every benchmark, for its ratios to mean something.
#ifndef FALLLINE_SIMD_LIMITS_H_
#define FALLLINE_SIMD_LIMITS_H_

#include <cstdint>

namespace fallline {

// GFLOP/s of independent multiply-adds in registers on the active target, over about 10 us, on all threads together:
// the best of five. Sample it beside every measurement: clocks change with the load and with the width of the
// registers.
double peak_float();
double peak_double();

// Seconds of one pass over count + 1 arrays of n floats on all threads: the last is added to each of the others. So
// count + 1 are read and count are written, in place: an optimizer step without its arithmetic.
double sweep_seconds(float* const* arrays, int count, int64_t n);

}  // namespace fallline

#endif  // FALLLINE_SIMD_LIMITS_H_
