// Random numbers as a function of (key, counter): the same on every backend, splittable, resumable from one integer.
// Philox4x32-10 (random_kernels.cpp).
#ifndef FALLLINE_OPS_RANDOM_H_
#define FALLLINE_OPS_RANDOM_H_

#include "ops/draws.h"
#include "tensor/array.h"

namespace fallline {

// Element i of a draw comes from the block (key, counter + i / 4) or (key, counter + i / 2), so a draw of n elements
// advances the counter by blocks_for(n).
inline uint64_t blocks_for(int64_t n) { return (static_cast<uint64_t>(n) + 1) / 2; }

void random_uniform(uint64_t key, uint64_t counter, const Array& out);  // [0, 1), 24 or 53 bits; out is dense float
void random_normal(uint64_t key, uint64_t counter, const Array& out);   // Box-Muller
void random_bits(uint64_t key, uint64_t counter, const Array& out);     // uint64
void random_order(uint64_t key, uint64_t counter, const Array& out);    // RandomOrder, to its end; out is int64
// 1 / keep with probability keep, else 0: the factor of inverted dropout.
void random_dropout(uint64_t key, uint64_t counter, double keep, const Array& out);

// The numbers below n in random order, decided from the first place on and no further than they are asked for. The
// number at place i changes with that at place i + floor(random_bits[i] (n - i) / 2^64).
class RandomOrder {
 public:
  RandomOrder(uint64_t key, uint64_t counter, const Array& numbers);  // int64 (n,), dense; kept and written to
  void decide(int64_t places);  // the first of them, if they are not yet; one thread at a time
  const int64_t* numbers() const { return numbers_.as<int64_t>(); }
  const Array& order() const { return numbers_; }  // what is decided of it, and the rest

 private:
  void decide_block();

  Array numbers_;
  uint64_t key_, counter_;
  int64_t decided_ = 0;
};

}  // namespace fallline

#endif  // FALLLINE_OPS_RANDOM_H_
