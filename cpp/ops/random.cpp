// Random numbers as a function of (key, counter).
#include "ops/random.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "ops/elementwise.h"
#include "ops/random_kernels.h"
#include "simd/parallel.h"

namespace fallline {

namespace {

constexpr int64_t kWordsAtOnce = 1024;  // they stay in the nearest cache
static_assert(kWordsAtOnce / 2 % kWholeRegisters == 0, "kernels go on to whole registers");

// Calls f(first, n, words) for runs of elements that go through all n of them, in parallel.
template <class F>
void for_words(uint64_t key, uint64_t counter, int64_t n, int64_t words_each, F&& f) {
  constexpr int64_t kBlocks = kWordsAtOnce / 4;
  const int64_t per_block = 4 / words_each;
  for_chunks((n + per_block - 1) / per_block, kSweepGrain / 4, [&](int64_t begin, int64_t end) {
    uint32_t words[kWordsAtOnce];
    for (int64_t b = begin; b < end; b += kBlocks) {
      const int64_t blocks = std::min(kBlocks, end - b), first = b * per_block;
      random_kernels().philox(key, counter + static_cast<uint64_t>(b), blocks, words);
      f(first, std::min(blocks * per_block, n - first), words);
    }
  });
}

}  // namespace

void random_uniform(uint64_t key, uint64_t counter, const Array& out) {
  if (out.dtype == DType::kFloat32) {
    float* const y = out.as<float>();
    for_words(key, counter, out.size(), 1, [&](int64_t first, int64_t n, const uint32_t* w) {
      for (int64_t i = 0; i < n; ++i) y[first + i] = to_unit(w[i]);
    });
  } else {
    double* const y = out.as<double>();
    for_words(key, counter, out.size(), 2, [&](int64_t first, int64_t n, const uint32_t* w) {
      for (int64_t i = 0; i < n; ++i) y[first + i] = to_unit(word_of(w + 2 * i));
    });
  }
}

void random_bits(uint64_t key, uint64_t counter, const Array& out) {
  uint64_t* const y = out.as<uint64_t>();
  for_words(key, counter, out.size(), 2, [&](int64_t first, int64_t n, const uint32_t* w) {
    for (int64_t i = 0; i < n; ++i) y[first + i] = word_of(w + 2 * i);
  });
}

RandomOrder::RandomOrder(uint64_t key, uint64_t counter, const Array& numbers)
    : numbers_(numbers), key_(key), counter_(counter) {
  int64_t* const number = numbers_.as<int64_t>();
  for_chunks(numbers_.size(), kSweepGrain,
             [&](int64_t begin, int64_t end) { std::iota(number + begin, number + end, begin); });
}

void RandomOrder::decide(int64_t places) {
  while (decided_ < std::min(places, numbers_.size())) decide_block();
}

// Durstenfeld, Algorithm 235, Communications of the ACM 7 (1964). The other places of a block are known before their
// turn, so they are asked for early.
void RandomOrder::decide_block() {
  constexpr int64_t kAhead = 16;
  uint32_t words[kWordsAtOnce];
  uint64_t distance[kWordsAtOnce / 2];
  const int64_t n = std::min(numbers_.size() - decided_, kWordsAtOnce / 2);
  random_kernels().philox(key_, counter_ + static_cast<uint64_t>(decided_) / 2, (n + 1) / 2, words);
  random_kernels().scale(words, static_cast<uint64_t>(numbers_.size() - decided_), n, distance);
  int64_t* const number = numbers_.as<int64_t>() + decided_;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t ahead = std::min(i + kAhead, n - 1);
    hwy::Prefetch(number + ahead + distance[ahead]);
    std::swap(number[i], number[i + static_cast<int64_t>(distance[i])]);
  }
  decided_ += n;
}

void random_order(uint64_t key, uint64_t counter, const Array& out) {
  RandomOrder(key, counter, out).decide(out.size());
}

// z = sqrt(-2 log(1 - u)) cos(2 pi v), through our own kernels so that every target draws the same bits.
void random_normal(uint64_t key, uint64_t counter, const Array& out) {
  Array u = Array::empty({out.size()}, out.dtype), v = Array::empty({out.size()}, out.dtype);
  random_uniform(derive_key(key, 0), counter, u);
  random_uniform(derive_key(key, 1), counter, v);
  const auto number = [&](double x) { return Array::scalar(x, out.dtype); };
  binary(BinaryOp::kSubtract, number(1), u, u);
  unary(UnaryOp::kLog, u, u);
  binary(BinaryOp::kMultiply, number(-2), u, u);
  unary(UnaryOp::kSqrt, u, u);
  binary(BinaryOp::kMultiply, number(6.283185307179586), v, v);
  unary(UnaryOp::kCos, v, v);
  Layout flat = u.layout();
  binary(BinaryOp::kMultiply, u, v, out.view(flat));
}

void random_dropout(uint64_t key, uint64_t counter, double keep, const Array& out) {
  // Compared as whole numbers, so that both dtypes drop the same elements.
  const uint32_t limit = static_cast<uint32_t>(keep * 4294967295.0);
  visit(out.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    if constexpr (std::is_floating_point_v<T>) {
      T* y = out.as<T>();
      const T kept = static_cast<T>(1 / keep);
      for_words(key, counter, out.size(), 1, [&](int64_t first, int64_t n, const uint32_t* w) {
        for (int64_t i = 0; i < n; ++i) y[first + i] = w[i] <= limit ? kept : T(0);
      });
    }
  });
}

}  // namespace fallline
