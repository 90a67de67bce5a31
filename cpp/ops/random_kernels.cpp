// Philox4x32-10 for every SIMD target.
#include "ops/random_kernels.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/random_kernels.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"
#include "simd/unroll.h"

FL_BEGIN_TARGET

#include "ops/philox.inc.h"

// Two registers of each word take turns: a multiplication takes longer than it keeps its unit busy.
constexpr int kPhiloxTurns = 2;
constexpr int64_t kPhiloxBlocks = static_cast<int64_t>(kPhiloxTurns * Word::kLanes);

void philox(uint64_t key, uint64_t counter, int64_t blocks, uint32_t* words) {
  uint64_t counters[kPhiloxBlocks];
  uint32_t last[4 * kPhiloxBlocks];
  for (int64_t b = 0; b < blocks; b += kPhiloxBlocks) {
    for (int64_t i = 0; i < kPhiloxBlocks; ++i) counters[i] = counter + static_cast<uint64_t>(b + i);
    const int64_t left = blocks - b;
    philox_blocks<kPhiloxTurns>(key, counters, left < kPhiloxBlocks ? last : words + 4 * b);
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
