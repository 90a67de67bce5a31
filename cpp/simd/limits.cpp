// The loops that kernels are measured against: multiply-adds in registers, and a pass over memory.
#include "simd/limits.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>

#include "simd/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "simd/limits.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

#ifndef FALLLINE_SIMD_LIMITS_TABLE_
#define FALLLINE_SIMD_LIMITS_TABLE_
namespace fallline {
namespace {
// The bare loops, for one thread; the first two return the number of operations.
struct LimitTable {
  double (*of_float)(int64_t rounds);
  double (*of_double)(int64_t rounds);
  void (*sweep)(float* const* arrays, int count, int64_t begin, int64_t end);
};
constexpr int kMostSwept = 4;
}  // namespace
}  // namespace fallline
#endif

FL_BEGIN_TARGET

// Twelve chains hide the latency and leave room for the two factors even where there are 16 registers.
template <class T>
double multiply_adds(int64_t rounds) {
  constexpr int kChains = 12;
  Pack<T> sum[kChains];
  for (int i = 0; i < kChains; ++i) sum[i] = static_cast<T>(i);
  const Pack<T> factor = T(0.5), term = static_cast<T>(rounds);
  for (int64_t k = 0; k < rounds; ++k) {
#if defined(__GNUC__)
#pragma GCC unroll 12
#endif
    for (int i = 0; i < kChains; ++i) sum[i] = fma(sum[i], factor, term);
  }
  for (int i = 1; i < kChains; ++i) sum[0] = sum[0] + sum[i];
  T lanes[Pack<T>::kLanes];
  sum[0].store(lanes);
  volatile T seen = lanes[0];  // keeps the loop
  (void)seen;
  return 2.0 * kChains * static_cast<double>(Pack<T>::kLanes) * static_cast<double>(rounds);
}

template <int kCount>
void add_last(float* const* arrays, int64_t begin, int64_t end) {
  using X = Pack<float>;
  constexpr int64_t kLanes = static_cast<int64_t>(X::kLanes);
  for (int64_t i = begin; i < end; i += kLanes) {
    for (int a = 0; a <= kCount; ++a) prefetch(arrays[a] + i + 256);  // a tenth faster than without
    const size_t n = static_cast<size_t>(std::min(kLanes, end - i));
    const X last = n == X::kLanes ? X::load(arrays[kCount] + i) : X::load_n(arrays[kCount] + i, n);
    for (int a = 0; a < kCount; ++a) {
      if (n == X::kLanes) {
        (X::load(arrays[a] + i) + last).store(arrays[a] + i);
      } else {
        (X::load_n(arrays[a] + i, n) + last).store_n(arrays[a] + i, n);
      }
    }
  }
}

void sweep(float* const* arrays, int count, int64_t begin, int64_t end) {
  constexpr void (*kSweeps[])(float* const*, int64_t, int64_t) = {add_last<1>, add_last<2>, add_last<3>, add_last<4>};
  kSweeps[count - 1](arrays, begin, end);
}

constexpr LimitTable kLimitTable = {multiply_adds<float>, multiply_adds<double>, sweep};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(LimitTable, limit_table, kLimitTable)

namespace fallline {
namespace {

// All operations over the time of the whole job: rates added thread by thread would count a thread that did two
// shares, one after the other, as two threads.
double sample(double (*loop)(int64_t)) {
  using Clock = std::chrono::steady_clock;
  constexpr int64_t kRounds = 4000, kCostNs = 20000;
  const int threads = num_threads();
  double operations[1024] = {};
  for_chunks(
      threads, 1, [](int64_t, int64_t) {}, kCostNs);  // wakes the pool
  const auto share = [&](int64_t begin, int64_t) { operations[begin] = loop(kRounds); };
  const auto start = Clock::now();
  for_chunks(threads, 1, share, kCostNs);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  double sum = 0;
  for (int i = 0; i < threads; ++i) sum += operations[i];
  return sum / seconds * 1e-9;
}

// The best of five: a thread that came late says nothing about the machine.
double on_all_threads(double (*loop)(int64_t)) {
  double best = 0;
  for (int i = 0; i < 5; ++i) best = std::max(best, sample(loop));
  return best;
}

}  // namespace

double peak_float() { return on_all_threads(limit_table().of_float); }
double peak_double() { return on_all_threads(limit_table().of_double); }

double sweep_seconds(float* const* arrays, int count, int64_t n) {
  if (count < 1 || count > kMostSwept) throw std::invalid_argument("[limits] from 1 to 4 arrays can be written");
  const auto start = std::chrono::steady_clock::now();
  for_chunks(n, kSweepGrain, [&](int64_t begin, int64_t end) { limit_table().sweep(arrays, count, begin, end); });
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace fallline
#endif
