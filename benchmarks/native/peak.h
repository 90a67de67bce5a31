// How many operations per second could this machine do at best?
#ifndef FALLLINE_BENCHMARKS_NATIVE_PEAK_H_
#define FALLLINE_BENCHMARKS_NATIVE_PEAK_H_

#include <cstdint>

namespace fallline {

// The bare loops: run on the calling thread, return the number of operations.
struct PeakTable {
  double (*of_float)(int64_t rounds);
  double (*of_double)(int64_t rounds);
};
const PeakTable& peak_table();

// GFLOP/s of independent multiply-adds in registers on the active target, over about 10 us, on all threads together:
// the best of five. Sample it beside every measurement: clocks change with the load and with the width of the
// registers.
double peak_float();
double peak_double();

}  // namespace fallline

#endif  // FALLLINE_BENCHMARKS_NATIVE_PEAK_H_
