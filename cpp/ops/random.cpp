// Random numbers as a function of (key, counter).
#include "ops/random.h"

#include <hwy/cache_control.h>

#include <utility>

#include "ops/elementwise.h"
#include "simd/parallel.h"

namespace fallline {

void philox(uint64_t key, uint64_t counter, uint32_t out[4]) {
  uint32_t x[4] = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t(0xD2511F53) * x[0], p1 = uint64_t(0xCD9E8D57) * x[2];
    const uint32_t y[4] = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ k0, static_cast<uint32_t>(p1),
                           static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ k1, static_cast<uint32_t>(p0)};
    for (int i = 0; i < 4; ++i) x[i] = y[i];
    k0 += 0x9E3779B9;  // Weyl sequence of the golden ratio
    k1 += 0xBB67AE85;  // and of sqrt(3) - 1
  }
  for (int i = 0; i < 4; ++i) out[i] = x[i];
}

uint64_t derive_key(uint64_t key, uint64_t index) {
  uint64_t z = key + 0x9E3779B97F4A7C15 * (index + 1);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

namespace {

float to_unit(uint32_t bits) { return static_cast<float>(bits >> 8) * 0x1p-24f; }
double to_unit(uint32_t high, uint32_t low) {
  return static_cast<double>(((static_cast<uint64_t>(high) << 32) | low) >> 11) * 0x1p-53;
}

// Calls f(i, block) for every block of `per_block` elements of n, in parallel.
template <class F>
void for_blocks(uint64_t key, uint64_t counter, int64_t n, int64_t per_block, F&& f) {
  for_chunks((n + per_block - 1) / per_block, kSweepGrain / 4, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      uint32_t words[4];
      philox(key, counter + static_cast<uint64_t>(b), words);
      f(b * per_block, words);
    }
  });
}

}  // namespace

void random_uniform(uint64_t key, uint64_t counter, const Array& out) {
  const int64_t n = out.size();
  if (out.dtype == DType::kFloat32) {
    float* y = out.as<float>();
    for_blocks(key, counter, n, 4, [&](int64_t i, const uint32_t* w) {
      for (int64_t j = 0; j < 4 && i + j < n; ++j) y[i + j] = to_unit(w[j]);
    });
  } else {
    double* y = out.as<double>();
    for_blocks(key, counter, n, 2, [&](int64_t i, const uint32_t* w) {
      for (int64_t j = 0; j < 2 && i + j < n; ++j) y[i + j] = to_unit(w[2 * j], w[2 * j + 1]);
    });
  }
}

void random_bits(uint64_t key, uint64_t counter, const Array& out) {
  uint64_t* y = out.as<uint64_t>();
  const int64_t n = out.size();
  for_blocks(key, counter, n, 2, [&](int64_t i, const uint32_t* w) {
    for (int64_t j = 0; j < 2 && i + j < n; ++j) y[i + j] = (static_cast<uint64_t>(w[2 * j]) << 32) | w[2 * j + 1];
  });
}

// floor(a b / 2^64), by halves: not every compiler has 128-bit numbers.
uint64_t high_product(uint64_t a, uint64_t b) {
  const uint64_t a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const uint64_t low = a0 * b0, left = a1 * b0 + (low >> 32), right = a0 * b1 + (left & 0xffffffff);
  return a1 * b1 + (left >> 32) + (right >> 32);
}

// Durstenfeld, Algorithm 235, Communications of the ACM 7 (1964). The places are known long before their turn, so they
// are asked for early.
void random_order(uint64_t key, uint64_t counter, const Array& out) {
  constexpr int64_t kAhead = 16;
  const int64_t n = out.size();
  int64_t* const order = out.as<int64_t>();
  const Array drawn = Array::empty({n}, DType::kUint64);
  random_bits(key, counter, drawn);
  uint64_t* const place = drawn.as<uint64_t>();
  for_chunks(n, kSweepGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      place[i] = high_product(place[i], static_cast<uint64_t>(i) + 1);
      order[i] = i;
    }
  });
  for (int64_t i = n - 1; i > 0; --i) {
    if (i > kAhead) hwy::Prefetch(order + place[i - kAhead]);
    std::swap(order[i], order[place[i]]);
  }
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
  const int64_t n = out.size();
  // Compared as whole numbers, so that both dtypes drop the same elements.
  const uint32_t limit = static_cast<uint32_t>(keep * 4294967295.0);
  visit(out.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    if constexpr (std::is_floating_point_v<T>) {
      T* y = out.as<T>();
      const T kept = static_cast<T>(1 / keep);
      for_blocks(key, counter, n, 4, [&](int64_t i, const uint32_t* w) {
        for (int64_t j = 0; j < 4 && i + j < n; ++j) y[i + j] = w[j] <= limit ? kept : T(0);
      });
    }
  });
}

}  // namespace fallline
