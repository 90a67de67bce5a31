// How are random numbers drawn in the browser?  One at a time, with the bits of fallline.random.
#ifndef FALLLINE_WASM_DRAWS_H_
#define FALLLINE_WASM_DRAWS_H_

#include <utility>

#include "ops/draws.h"
#include "simd/unroll.h"
#include "train/dual.h"

namespace fallline {
namespace wasm {

namespace words {
using namespace ref;
#include "ops/philox.inc.h"
}  // namespace words

inline void block(uint64_t key, uint64_t counter, uint32_t* out) { words::philox_blocks<1>(key, &counter, out); }

// Element i of fallline.random's draws, as ops/random.cpp forms them.
template <class T>
T uniform(uint64_t key, uint64_t counter, int64_t i) {
  constexpr int64_t kEach = 16 / sizeof(T);
  uint32_t words[4];
  block(key, counter + static_cast<uint64_t>(i / kEach), words);
  if constexpr (sizeof(T) == 4) return to_unit(words[i % kEach]);
  return static_cast<T>(to_unit(word_of(words + 2 * (i % kEach))));
}
template <class T>
T normal(uint64_t key, uint64_t counter, int64_t i) {
  using X = ref::Pack<T>;
  const X u = uniform<T>(derive_key(key, 0), counter, i), v = uniform<T>(derive_key(key, 1), counter, i);
  return (sqrt(X(T(-2)) * log(X(T(1)) - u)) * cos(X(T(6.283185307179586)) * v)).v;
}

// The rows below n in the order of an epoch: random_order of ops/random.h, as `fit` asks for it.
inline void shuffle(uint64_t seed, int64_t epoch, int64_t n, int64_t* rows) {
  const uint64_t key = derive_key(seed, 0), counter = static_cast<uint64_t>(epoch) << 32;
  for (int64_t i = 0; i < n; ++i) rows[i] = i;
  uint32_t out[4];
  for (int64_t i = 0; i < n; ++i) {
    if (i % 2 == 0) block(key, counter + static_cast<uint64_t>(i / 2), out);
    const uint64_t left = static_cast<uint64_t>(n - i);  // below 2^32, so that half products will do
    const uint64_t distance = (out[2 * (i % 2)] * left + (out[2 * (i % 2) + 1] * left >> 32)) >> 32;
    std::swap(rows[i], rows[i + static_cast<int64_t>(distance)]);
  }
}

}  // namespace wasm
}  // namespace fallline

#endif  // FALLLINE_WASM_DRAWS_H_
