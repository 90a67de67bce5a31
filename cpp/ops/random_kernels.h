// How do random words come out of a counter?  Plain pointers out; a block is a lane.
#ifndef FALLLINE_OPS_RANDOM_KERNELS_H_
#define FALLLINE_OPS_RANDOM_KERNELS_H_

#include <cstdint>

namespace fallline {

constexpr int64_t kWholeRegisters = 8;  // a multiple of this many numbers of 64 bits fills registers on every target

struct RandomKernels {
  // The blocks of Philox4x32-10 at (key, counter), (key, counter + 1) ..., each of four words.
  void (*philox)(uint64_t key, uint64_t counter, int64_t blocks, uint32_t* words);
  // floor(bits (first - i) / 2^64) of every two words, the first of them the upper half of its bits. Goes on to a whole
  // register, so n rounded up to kWholeRegisters can be read and written.
  void (*scale)(const uint32_t* words, uint64_t first, int64_t n, uint64_t* out);
};
const RandomKernels& random_kernels();

}  // namespace fallline

#endif  // FALLLINE_OPS_RANDOM_KERNELS_H_
