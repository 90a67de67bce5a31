// How is a rule's state kept in fewer bits, and how does a step work on it?
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
int64_t compressed_bytes(Precision precision, int64_t n);

// Elements [begin, end) of one tensor; begin is a multiple of kStateBlock. Slots with Values::kExact stay float32.
void compressed_step(const Rule& rule, Precision precision, const Coef<double>& k, const RuleTensor& tensor,
                     int64_t begin, int64_t end, uint32_t key);

// All n elements of one slot. encode() leaves the last byte alone.
void decode(Precision precision, Values values, const uint8_t* slot, int64_t n, float* out);
void encode(Precision precision, Values values, const float* x, int64_t n, uint32_t key, uint8_t* slot);

}  // namespace fallline

#endif  // FALLLINE_OPTIM_COMPRESSED_H_
