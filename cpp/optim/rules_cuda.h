// The update rules on a CUDA device: a table of launchers, for programs built with FALLLINE_CUDA.
#ifndef FALLLINE_OPTIM_RULES_CUDA_H_
#define FALLLINE_OPTIM_RULES_CUDA_H_

#include "optim/rules.h"

struct CUstream_st;  // what cudaStream_t points to

namespace fallline {

// Elements [begin, end) of a tensor whose pointers lie on the device. Returns at once, with the cudaError_t of the
// launch (0: none). Subnormal float numbers count as zero, as on the CPU; doubles keep theirs.
struct CudaRule {
  using Step = int (*)(const Coef<double>& k, const RuleTensor& tensor, int64_t begin, int64_t end,
                       CUstream_st* stream);
  Step float_step;
  Step double_step;
};
const CudaRule& cuda_rule(int index);  // of the same row as rule(index)

}  // namespace fallline

#endif  // FALLLINE_OPTIM_RULES_CUDA_H_
