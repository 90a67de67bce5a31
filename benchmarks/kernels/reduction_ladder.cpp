// How does a reduction become fast, and how exact is it then?  One rung per idea: the sum of all, the sum of columns,
// and logsumexp of rows, each checked against sums in double and timed with one thread: reduction_ladder
#include "kernels/reduction_ladder.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/ladder.h"
#include "ops/reduce_kernels.h"
#include "simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/reduction_ladder.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

FL_BEGIN_TARGET

#include "simd/math.inc.h"

// ----- the sum of all -----

// 1. The definition. Every addition waits for the one before, four cycles long; in float the small terms drown.
inline void sum_naive(const float* x, int64_t n, int64_t m, float* out) {
  float sum = 0;
  for (int64_t i = 0; i < n * m; ++i) sum += x[i];
  *out = sum;
}

// The first half of the lanes added to the second, until one is left: additions of one half do not wait for each other.
inline float total(Pack<float> x) {
  float lanes[Pack<float>::kLanes];
  x.store(lanes);
  for (size_t half = Pack<float>::kLanes / 2; half > 0; half /= 2) {
    for (size_t j = 0; j < half; ++j) lanes[j] += lanes[j + half];
  }
  return lanes[0];
}

// kRegisters running sums in registers through x[0, n), at the end added by halves.
template <int kRegisters, int kAhead = 0>
inline float sum_of(const float* x, int64_t n) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes);
  Pack<float> sum[kRegisters];
  for (auto& s : sum) s = 0.0f;
  for (int64_t i = 0; i < n; i += kRegisters * kLanes) {
    FL_UNROLL
    for (int r = 0; r < kRegisters; ++r) {
      if (kAhead) prefetch(x + i + r * kLanes + kAhead);
      sum[r] = sum[r] + Pack<float>::load(x + i + r * kLanes);
    }
  }
  FL_UNROLL
  for (int half = kRegisters / 2; half > 0; half /= 2) {
    FL_UNROLL
    for (int r = 0; r < half; ++r) sum[r] = sum[r] + sum[r + half];
  }
  return total(sum[0]);
}

// 2. A register of running sums: one chain for each lane, still one addition in four cycles.
inline void sum_register(const float* x, int64_t n, int64_t m, float* out) { *out = sum_of<1>(x, n * m); }

// 3. Eight registers: two adders that take four cycles each are never idle. Now loads are the limit.
inline void sum_registers(const float* x, int64_t n, int64_t m, float* out) { *out = sum_of<8>(x, n * m); }

// 4. Asks for lines 4 KiB ahead. A core that sees one run through memory does so by itself: it only costs instructions.
inline void sum_prefetched(const float* x, int64_t n, int64_t m, float* out) { *out = sum_of<8, 1024>(x, n * m); }

// 5. As many running sums on every target, so that the bits do not depend on it: 64, in four registers of 16 lanes or
// in eight of 8, which is enough chains for speed too.
inline void sum_fixed(const float* x, int64_t n, int64_t m, float* out) {
  *out = sum_of<64 / static_cast<int>(Pack<float>::kLanes)>(x, n * m);
}

// ----- the sum of columns -----

// 1. The definition, column after column: a new cache line for every number, of which one of sixteen is used.
inline void down(const float* x, int64_t n, int64_t m, float* out) {
  for (int64_t j = 0; j < m; ++j) {
    float sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += x[i * m + j];
    out[j] = sum;
  }
}

// 2. Loops exchanged: whole registers, along memory, and no sum waits for another. Every addition loads and stores out.
inline void by_rows(const float* x, int64_t n, int64_t m, float* out) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes);
  std::fill(out, out + m, 0.0f);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < m; j += kLanes) {
      (Pack<float>::load(out + j) + Pack<float>::load(x + i * m + j)).store(out + j);
    }
  }
}

template <int kRegisters>
inline void walk_down(const float* x, int64_t n, int64_t m, float* out) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes);
  for (int64_t j = 0; j < m; j += kRegisters * kLanes) {
    Pack<float> sum[kRegisters];
    for (auto& s : sum) s = 0.0f;
    for (int64_t i = 0; i < n; ++i) {
      FL_UNROLL
      for (int r = 0; r < kRegisters; ++r) sum[r] = sum[r] + Pack<float>::load(x + i * m + j + r * kLanes);
    }
    for (int r = 0; r < kRegisters; ++r) sum[r].store(out + j + r * kLanes);
  }
}

// 3. One register of columns walks down all rows: its sum is never stored, but it is one chain again, and it leaves
// memory in jumps.
inline void strip(const float* x, int64_t n, int64_t m, float* out) { walk_down<1>(x, n, m, out); }

// 4. Eight registers side by side: eight chains, and longer runs of memory.
inline void strips(const float* x, int64_t n, int64_t m, float* out) { walk_down<8>(x, n, m, out); }

// 5. By rows again, but eight at once: out is loaded and stored an eighth as often, the rows are read along memory, and
// the next register's sum need not wait for this one's.
inline void eight_rows(const float* x, int64_t n, int64_t m, float* out) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes);
  std::fill(out, out + m, 0.0f);
  for (int64_t i = 0; i < n; i += 8) {
    for (int64_t j = 0; j < m; j += kLanes) {
      Pack<float> sum = Pack<float>::load(out + j);
      FL_UNROLL
      for (int64_t r = 0; r < 8; ++r) sum = sum + Pack<float>::load(x + (i + r) * m + j);
      sum.store(out + j);
    }
  }
}

// ----- logsumexp of rows: max + log of the sum of exp(x - max), which never overflows -----

// 1. The definition, with the C library's functions.
inline void logsumexp_naive(const float* x, int64_t n, int64_t m, float* out) {
  for (int64_t i = 0; i < n; ++i) {
    const float* row = x + i * m;
    float most = row[0], sum = 0;
    for (int64_t j = 1; j < m; ++j) most = std::max(most, row[j]);
    for (int64_t j = 0; j < m; ++j) sum += std::exp(row[j] - most);
    out[i] = most + std::log(sum);
  }
}

inline float largest(Pack<float> x) {
  float lanes[Pack<float>::kLanes];
  x.store(lanes);
  return *std::max_element(lanes, lanes + Pack<float>::kLanes);
}

template <int kRegisters>
inline float logsumexp_of(const float* row, int64_t m) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes);
  Pack<float> most = Pack<float>::load(row), sum[kRegisters];
  for (int64_t j = kLanes; j < m; j += kLanes) most = max(most, Pack<float>::load(row + j));
  const Pack<float> shift = largest(most);
  for (auto& s : sum) s = 0.0f;
  for (int64_t j = 0; j < m; j += kRegisters * kLanes) {
    FL_UNROLL
    for (int r = 0; r < kRegisters; ++r) sum[r] = sum[r] + exp(Pack<float>::load(row + j + r * kLanes) - shift);
  }
  for (int r = 1; r < kRegisters; ++r) sum[0] = sum[0] + sum[r];
  return largest(shift) + std::log(total(sum[0]));
}

// 2. exp in registers: twenty instructions for sixteen numbers instead of a call for each.
inline void logsumexp_register(const float* x, int64_t n, int64_t m, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = logsumexp_of<1>(x + i * m, m);
}

// 3. One pass instead of two: when the maximum grows, the sum so far is scaled. It saves a read from memory, which a
// short row does not need, and pays with a second exp, on which the next step waits.
inline void online(const float* x, int64_t n, int64_t m, float* out) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes);
  for (int64_t i = 0; i < n; ++i) {
    const float* row = x + i * m;
    Pack<float> most = Pack<float>::load(row), sum = 1.0f;
    for (int64_t j = kLanes; j < m; j += kLanes) {
      const Pack<float> next = Pack<float>::load(row + j), larger = max(most, next);
      sum = fma(sum, exp(most - larger), exp(next - larger));
      most = larger;
    }
    const float shift = largest(most);
    out[i] = shift + std::log(total(sum * exp(most - Pack<float>(shift))));
  }
}

// 4. Four exps side by side, written out for the compiler to mix: none waits for another one's result. A core that
// works out of order had found them already.
inline void exps_apart(const float* x, int64_t n, int64_t m, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = logsumexp_of<4>(x + i * m, m);
}

constexpr ReductionTable kReductionTable = {
    sum_naive, sum_register, sum_registers, sum_prefetched,  sum_fixed,          down,   by_rows,
    strip,     strips,       eight_rows,    logsumexp_naive, logsumexp_register, online, exps_apart};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(ReductionTable, reduction_table, kReductionTable)

namespace fallline {
namespace {

// The library: running sums in blocks of 4,096 elements or 256 rows, which a binary tree joins.
void library_sum(const float* x, int64_t n, int64_t m, float* out) { reduce_kernels().sum[0](x, out, 1, n * m, 1); }
void library_columns(const float* x, int64_t n, int64_t m, float* out) { reduce_kernels().sum[0](x, out, 1, n, m); }
void library_logsumexp(const float* x, int64_t n, int64_t m, float* out) {
  reduce_kernels().logsumexp[0](x, out, n, m, 1);
}

// One addition where a multiply-add counts as two operations.
double additions_peak() { return peak_float() / 2; }

// Bytes that one thread reads and writes in a pass over two arrays that no cache holds.
double memory_peak() {
  constexpr int64_t kSize = int64_t{1} << 24;
  static Floats from(kSize, 1.0f), to(kSize, 1.0f);
  float* const arrays[] = {to.data(), from.data()};
  return 3 * sizeof(float) * static_cast<double>(kSize) / sweep_seconds(arrays, 1, kSize) * 1e-9;
}

struct Rung {
  const char* name;
  Reduction run;
};

bool climb_rungs(const Ladder& ladder, const std::vector<Rung>& rungs, const Floats& x, int64_t n,
                 const std::vector<double>& truth) {
  Floats out(truth.size());
  bool right = true;
  begin(ladder);
  for (const Rung& rung : rungs) {
    std::fill(out.begin(), out.end(), 0.0f);
    const auto difference = [&] {
      double worst = 0;
      for (size_t i = 0; i < truth.size(); ++i) {
        worst = worse(worst, std::abs(static_cast<double>(out[i]) - truth[i]) / std::abs(truth[i]));
      }
      return worst;
    };
    const auto run = [&] { rung.run(x.data(), n, static_cast<int64_t>(x.size()) / n, out.data()); };
    right = climb(ladder, rung.name, run, difference) && right;
  }
  return right;
}

// Naive sums of n numbers differ by a few times the square root of n in the last place.
bool climb_sum(const char* name, size_t size, bool in_cache) {
  const Floats x = scattered(size, 0.0f);
  double sum = 0;
  for (float value : x) sum += static_cast<double>(value);
  const double count = static_cast<double>(size), tolerance = 1e-6 * std::sqrt(count);
  const Ladder ladder = in_cache ? Ladder{name, count, "G additions/s", additions_peak, tolerance}
                                 : Ladder{name, sizeof(float) * count, "GB/s", memory_peak, tolerance};
  const ReductionTable& rungs = reduction_table();
  return climb_rungs(ladder,
                     {{"1. definition", rungs.sum_naive},
                      {"2. one register", rungs.sum_register},
                      {"3. eight registers", rungs.sum_registers},
                      {"4. with prefetches", rungs.sum_prefetched},
                      {"5. 64 running sums", rungs.sum_fixed},
                      {"6. library: blocks and tree", library_sum}},
                     x, 1, {sum});
}

bool climb_columns(const char* name, size_t n, size_t m) {
  const Floats x = scattered(n * m, 0.0f);
  std::vector<double> sums(m);
  for (size_t i = 0; i < x.size(); ++i) sums[i % m] += static_cast<double>(x[i]);
  const ReductionTable& rungs = reduction_table();
  return climb_rungs({name, static_cast<double>(n * m), "G additions/s", additions_peak, 1e-5},
                     {{"1. definition", rungs.down},
                      {"2. by rows", rungs.by_rows},
                      {"3. a register walks down", rungs.strip},
                      {"4. eight registers walk down", rungs.strips},
                      {"5. eight rows at once", rungs.eight_rows},
                      {"6. library: groups and tree", library_columns}},
                     x, static_cast<int64_t>(n), sums);
}

bool climb_logsumexp(const char* name, size_t n, size_t m) {
  const Floats x = scattered(n * m, 0.0f);
  std::vector<double> results(n);  // no shift: these numbers do not overflow
  for (size_t i = 0; i < x.size(); ++i) results[i / m] += std::exp(static_cast<double>(x[i]));
  for (double& result : results) result = std::log(result);
  const ReductionTable& rungs = reduction_table();
  return climb_rungs({name, static_cast<double>(n * m), "G exp/s", additions_peak, 1e-6},
                     {{"1. definition", rungs.logsumexp_naive},
                      {"2. exp in registers", rungs.logsumexp_register},
                      {"3. one pass", rungs.online},
                      {"4. four exps side by side", rungs.exps_apart},
                      {"5. library", library_logsumexp}},
                     x, static_cast<int64_t>(n), results);
}

}  // namespace
}  // namespace fallline

int main() {
  fallline::begin_ladders();
  bool right = fallline::climb_sum("sum of 4,096, in the nearest cache", 4096, true);
  right = fallline::climb_sum("sum of 16,777,216, in memory", 1 << 24, false) && right;
  right = fallline::climb_columns("sum of columns, 1,024 x 128", 1024, 128) && right;
  right = fallline::climb_logsumexp("logsumexp of rows, 256 x 128", 256, 128) && right;
  return right ? 0 : 1;
}
#endif
