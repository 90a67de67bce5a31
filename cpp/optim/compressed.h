// How is a rule's state kept in fewer bits?
#ifndef FALLLINE_OPTIM_COMPRESSED_H_
#define FALLLINE_OPTIM_COMPRESSED_H_

#include <cstdint>

#include "optim/rules.h"

namespace fallline {

// A compressed slot of n float32 elements is one run of bytes: their codes in memory order, one exponent for each
// block (kFloat8 only), and a last byte in which the caller notes the memory order.
//   kBFloat16: the upper half of a float32.
//   kFloat8: three bits of mantissa under the exponent of the block's largest element; sign and four bits of exponent
//            where both signs occur, five bits where none is negative, which keeps the range of g^2 that of g.
// Rounding is stochastic, so that changes smaller than a step of the code are not lost: up with the probability of the
// part cut off, from a hash of (key, slot, element). The same bits on every target and with any number of threads.
constexpr int64_t kStateBlock = 256;
inline int64_t code_bytes(Precision precision) { return precision == Precision::kBFloat16 ? 2 : 1; }
inline int64_t compressed_bytes(Precision precision, int64_t n) {
  const int64_t blocks = precision == Precision::kFloat8 ? (n + kStateBlock - 1) / kStateBlock : 0;
  return n * code_bytes(precision) + blocks + 1;
}

// Where the random numbers of a block begin: one key for each step and tensor. Slots should have nothing in common.
inline uint32_t random_counter(uint32_t key, int slot, int64_t first) {
  uint32_t h = (key ^ (static_cast<uint32_t>(slot) * 0x85EBCA6Bu)) * 0xC2B2AE35u;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  return (h ^ (h >> 16)) + static_cast<uint32_t>(first / 2);
}
inline uint32_t step_key(int64_t t, int64_t tensor) {
  return static_cast<uint32_t>(t) * 0x9E3779B1u + static_cast<uint32_t>(tensor);
}

// All n elements of one slot. encode() leaves the last byte alone.
void decode(Precision precision, Values values, const uint8_t* slot, int64_t n, float* out);
void encode(Precision precision, Values values, const float* x, int64_t n, uint32_t key, uint8_t* slot);

}  // namespace fallline

#endif  // FALLLINE_OPTIM_COMPRESSED_H_
