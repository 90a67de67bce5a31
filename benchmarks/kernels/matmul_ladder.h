// The rungs from three loops to the library's product, each a complete square product.
#ifndef FALLLINE_BENCHMARKS_KERNELS_MATMUL_LADDER_H_
#define FALLLINE_BENCHMARKS_KERNELS_MATMUL_LADDER_H_

#include <cstdint>

namespace fallline {

// c = a b, all n x n, row after row; n is a multiple of 64. `panels` holds n * n values of scratch.
using LadderProduct = void (*)(int64_t n, const float* a, const float* b, float* c, float* panels);

struct LadderTable {
  LadderProduct naive, by_rows, blocked, register_tiles, packed;
};
const LadderTable& ladder_table();

}  // namespace fallline

#endif  // FALLLINE_BENCHMARKS_KERNELS_MATMUL_LADDER_H_
