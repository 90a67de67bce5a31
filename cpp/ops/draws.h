// What becomes of a key and of the words of a block of Philox?  Plain arithmetic, the same everywhere.
#ifndef FALLLINE_OPS_DRAWS_H_
#define FALLLINE_OPS_DRAWS_H_

#include <cstdint>

namespace fallline {

// A new, unrelated key for each (key, index): SplitMix64 of both.
inline uint64_t derive_key(uint64_t key, uint64_t index) {
  uint64_t z = key + 0x9E3779B97F4A7C15 * (index + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

// Two words as one, and numbers in [0, 1) of 24 and of 53 bits.
inline uint64_t word_of(const uint32_t* halves) { return (static_cast<uint64_t>(halves[0]) << 32) | halves[1]; }
inline float to_unit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
inline double to_unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace fallline

#endif  // FALLLINE_OPS_DRAWS_H_
