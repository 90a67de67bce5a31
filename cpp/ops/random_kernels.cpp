// Philox4x32-10 for every SIMD target. Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3".
#include "ops/random_kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/random_kernels.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"
#include "simd/unroll.h"

FL_BEGIN_TARGET

// A lane's lower half is a word of the block; what is in its upper half never comes down.
using Word = Pack<uint64_t>;

// Two registers of each word take turns: a multiplication takes longer than it keeps its unit busy.
constexpr int kPhiloxTurns = 2;
constexpr int64_t kPhiloxBlocks = static_cast<int64_t>(kPhiloxTurns * Word::kLanes);

FL_FN void philox_round(Word x[4], Word k0, Word k1) {
  const Word p0 = multiply_lower(x[0], Word(0xD2511F53)), p1 = multiply_lower(x[2], Word(0xCD9E8D57));
  x[0] = shift_right<32>(p1) ^ x[1] ^ k0;
  x[1] = p1;
  x[2] = shift_right<32>(p0) ^ x[3] ^ k1;
  x[3] = p0;
}

FL_FN Word pair(Word low, Word high) { return (low & Word(0xFFFFFFFF)) | shift_left<32>(high); }

// As many as there are lanes.
FL_FN void philox_blocks(uint64_t key, const uint64_t* counters, uint32_t* words) {
  Word x[kPhiloxTurns][4];
  FL_UNROLL
  for (int i = 0; i < kPhiloxTurns; ++i) {
    const Word counter = Word::load(counters + static_cast<size_t>(i) * Word::kLanes);
    x[i][0] = counter;
    x[i][1] = shift_right<32>(counter);
    x[i][2] = x[i][3] = Word(0);
  }
  uint64_t k0 = key, k1 = key >> 32;
  for (int round = 0; round < 10; ++round) {
    FL_UNROLL
    for (int i = 0; i < kPhiloxTurns; ++i) philox_round(x[i], Word(k0), Word(k1));
    k0 += 0x9E3779B9;  // Weyl sequence of the golden ratio
    k1 += 0xBB67AE85;  // and of sqrt(3) - 1
  }
  FL_UNROLL
  for (int i = 0; i < kPhiloxTurns; ++i) {
    uint32_t* const to = words + static_cast<size_t>(i) * 4 * Word::kLanes;
    store_in_turns(pair(x[i][0], x[i][1]), pair(x[i][2], x[i][3]), to);
  }
}

void philox(uint64_t key, uint64_t counter, int64_t blocks, uint32_t* words) {
  uint64_t counters[kPhiloxBlocks];
  uint32_t last[4 * kPhiloxBlocks];
  for (int64_t b = 0; b < blocks; b += kPhiloxBlocks) {
    for (int64_t i = 0; i < kPhiloxBlocks; ++i) counters[i] = counter + static_cast<uint64_t>(b + i);
    const int64_t left = blocks - b;
    philox_blocks(key, counters, left < kPhiloxBlocks ? last : words + 4 * b);
    if (left < kPhiloxBlocks) std::copy_n(last, 4 * left, words + 4 * b);
  }
}

FL_FN Word high_product(Word a0, Word a1, Word b) {
  const Word b1 = shift_right<32>(b), low = multiply_lower(a0, b);
  const Word left = multiply_lower(a1, b) + shift_right<32>(low);
  const Word right = multiply_lower(a0, b1) + (left & Word(0xFFFFFFFF));
  return multiply_lower(a1, b1) + shift_right<32>(left) + shift_right<32>(right);
}

void scale(const uint32_t* words, uint64_t first, int64_t n, uint64_t* out) {
  constexpr int64_t kLanes = static_cast<int64_t>(Word::kLanes);
  static_assert(kWholeRegisters % kLanes == 0, "the tail of a register must be there");
  uint64_t factors[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) factors[i] = first - static_cast<uint64_t>(i);
  Word factor = Word::load(factors);
  for (int64_t i = 0; i < n; i += kLanes, factor = factor - Word(kLanes)) {
    const Word bits = load_two_each(words + 2 * i);
    high_product(shift_right<32>(bits), bits, factor).store(out + i);
  }
}

constexpr RandomKernels kRandomKernels = {philox, scale};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(RandomKernels, random_kernels, kRandomKernels)
#endif
