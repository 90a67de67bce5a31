// The rungs from one running sum to the library's reductions, each a complete one.
#ifndef FALLLINE_BENCHMARKS_KERNELS_REDUCTION_LADDER_H_
#define FALLLINE_BENCHMARKS_KERNELS_REDUCTION_LADDER_H_

#include <cstdint>

namespace fallline {

// x is (n, m), row-major; n and m are multiples of 128.
using Reduction = void (*)(const float* x, int64_t n, int64_t m, float* out);

struct ReductionTable {
  Reduction sum_naive, sum_register, sum_registers, sum_prefetched, sum_fixed;  // out[0], of all
  Reduction down, by_rows, strip, strips, eight_rows;                           // out[m], of every column
  Reduction logsumexp_naive, logsumexp_register, online, exps_apart;            // out[n], of every row
};
const ReductionTable& reduction_table();

}  // namespace fallline

#endif  // FALLLINE_BENCHMARKS_KERNELS_REDUCTION_LADDER_H_
