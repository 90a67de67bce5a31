// How is a rung of a ladder timed, checked and printed?  What all ladders share; each prints tables in Markdown.
#ifndef FALLLINE_BENCHMARKS_KERNELS_LADDER_H_
#define FALLLINE_BENCHMARKS_KERNELS_LADDER_H_

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <new>
#include <vector>

#include "simd/limits.h"
#include "simd/parallel.h"
#include "simd/targets.h"

namespace fallline {

struct Ladder {
  const char* name;
  double work;       // of one run: floating-point operations, elements, bytes
  const char* unit;  // 1e9 of them in a second
  double (*peak)();  // in this unit; sampled beside every rung, since clocks change
  double tolerance;  // of the difference
};

// Numbers that begin with a cache line, as the library's arrays do: else every load of a whole line would touch two.
template <class T>
struct LineAllocator {
  using value_type = T;
  LineAllocator() = default;
  template <class U>
  LineAllocator(const LineAllocator<U>&) {}
  T* allocate(size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t(64))); }
  void deallocate(T* p, size_t) { ::operator delete(p, std::align_val_t(64)); }
  friend bool operator==(LineAllocator, LineAllocator) { return true; }
  friend bool operator!=(LineAllocator, LineAllocator) { return false; }
};
using Floats = std::vector<float, LineAllocator<float>>;

// The value below which so great a part of the others lies.
inline double quantile(std::vector<double> values, double part) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(part * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

template <class Run>
double seconds_of(const Run& run, int64_t calls) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < calls; ++i) run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// The larger one, or NaN where there is one.
inline double worse(double a, double b) { return b > a || b != b ? b : a; }

inline double largest_difference(const Floats& found, const Floats& truth, float times = 1) {
  double worst = 0;
  for (size_t i = 0; i < truth.size(); ++i) {
    worst = worse(worst, static_cast<double>(std::abs(found[i] - times * truth[i])));
  }
  return worst;
}

// Values in [low, low + 1) without a pattern, the same ones in every run.
inline Floats scattered(size_t n, float low) {
  Floats values(n);
  uint32_t state = 1;
  for (float& value : values) {
    state = state * 1664525u + 1013904223u;  // Knuth, The Art of Computer Programming 2, section 3.3.4
    value = low + static_cast<float>(state >> 8) * 0x1p-24f;
  }
  return values;
}

#if defined(__clang__)
constexpr const char* kCompiler = __VERSION__;
#elif defined(__GNUC__)
constexpr const char* kCompiler = "GCC " __VERSION__;
#else
constexpr const char* kCompiler = "unknown";
#endif

inline void begin_ladders() {
  set_num_threads(1);
  std::printf("Target %s, one thread, compiler: %s.\n", target_name(active_target()), kCompiler);
}

inline void begin(const Ladder& ladder) {
  std::printf("\n| %s | us | %s | of peak | difference |\n|---|---:|---:|---:|---:|\n", ladder.name, ladder.unit);
}

// Runs, checks and times one rung; `difference` is asked after a first run how far its result is from the right one.
// For 0.3 seconds samples of 50 us (reading the clock would count in shorter ones) take turns with the peak. Of both
// the fastest tenth begins at what is printed: the slower ones are those that other programs disturbed.
template <class Run, class Difference>
bool climb(const Ladder& ladder, const char* rung, const Run& run, const Difference& difference) {
  run();
  const double found = difference();
  const bool right = found <= ladder.tolerance;
  int64_t calls = 1;
  while (seconds_of(run, calls) < 50e-6) calls *= 2;
  std::vector<double> times, peaks;
  for (double spent = 0; times.empty() || spent < 0.3;) {
    const double seconds = seconds_of(run, calls);
    spent += seconds;
    times.push_back(seconds / static_cast<double>(calls));
    peaks.push_back(ladder.peak());
  }
  const double seconds = quantile(times, 0.1), rate = ladder.work / seconds * 1e-9;
  std::printf("| %s | %.*f | %.2f | %.1f %% | %.1e%s |\n", rung, seconds < 1e-5 ? 3 : 1, seconds * 1e6, rate,
              100 * rate / quantile(peaks, 0.9), found, right ? "" : " WRONG");
  std::fflush(stdout);
  return right;
}

}  // namespace fallline

#endif  // FALLLINE_BENCHMARKS_KERNELS_LADDER_H_
