// How close do single kernels come to the limit?  Every matrix product that training needs, on every target, with one
// thread and with all, beside the multiply-add peak sampled between the runs; and what a job on the pool costs.
//
//   fallline_bench --benchmark_filter='matmul/avx512/.*1024'
//
// Counters: GFLOPS and peak are medians over the iterations, of_peak is their ratio.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "ops/matmul_kernels.h"
#include "simd/limits.h"
#include "simd/parallel.h"
#include "simd/targets.h"

namespace fallline {
namespace {

struct Case {
  const char* name;
  int64_t m, n, k;
  bool a_transposed, b_transposed;
};

// forward: x w; weights: x^T g; inputs: g w^T.
const std::vector<Case> kCases = {
    {"square", 32, 32, 32, false, false},         {"square", 64, 64, 64, false, false},
    {"square", 128, 128, 128, false, false},      {"square", 256, 256, 256, false, false},
    {"square", 512, 512, 512, false, false},      {"square", 1024, 1024, 1024, false, false},
    {"square", 2048, 2048, 2048, false, false},   {"square_tn", 1024, 1024, 1024, true, false},
    {"square_nt", 1024, 1024, 1024, false, true}, {"odd", 1023, 1023, 1023, false, false},
    {"forward", 32, 32, 4, false, false},         {"weights", 32, 32, 32, true, false},
    {"inputs", 32, 32, 3, false, true},           {"forward", 32, 128, 784, false, false},
    {"weights", 784, 128, 32, true, false},       {"forward", 32, 10, 128, false, false},
    {"weights", 128, 10, 32, true, false},        {"inputs", 32, 128, 10, false, true},
    {"forward", 128, 512, 784, false, false},     {"weights", 784, 512, 128, true, false},
    {"forward", 128, 256, 512, false, false},     {"weights", 512, 256, 128, true, false},
    {"inputs", 128, 512, 256, false, true},       {"forward", 256, 1024, 1024, false, false},
    {"weights", 1024, 1024, 256, true, false},    {"inputs", 256, 1024, 1024, false, true},
    {"vector", 1, 32, 784, false, false},         {"vector", 1, 1024, 1024, false, false},
    {"vector", 1024, 1, 1024, false, false},
};

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

template <class T>
void matmul(benchmark::State& state, const Case& shape, Target target, int threads) {
  set_active_target(target_name(target));
  set_num_threads(threads);
  std::vector<T> a(static_cast<size_t>(shape.m * shape.k), T(0.5)), b(static_cast<size_t>(shape.k * shape.n), T(0.25));
  std::vector<T> c(static_cast<size_t>(shape.m * shape.n));
  MatmulArgs args{};
  args.m = shape.m, args.n = shape.n, args.k = shape.k;
  args.a = a.data(), args.b = b.data(), args.c = c.data();
  args.a_row = shape.a_transposed ? 1 : shape.k, args.a_col = shape.a_transposed ? shape.m : 1;
  args.b_row = shape.b_transposed ? 1 : shape.n, args.b_col = shape.b_transposed ? shape.k : 1;
  args.c_row = shape.n;
  const auto run = matmul_kernels().run[sizeof(T) == 8];
  const double operations = 2.0 * static_cast<double>(shape.m * shape.n * shape.k);
  const int repeats = 1 + static_cast<int>(1e6 / operations);  // the clock must not weigh

  std::vector<double> rates, peaks;
  for (auto _ : state) {
    peaks.push_back(sizeof(T) == 8 ? peak_double() : peak_float());
    run(args);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) run(args);
    const double seconds = seconds_since(start) / repeats;
    rates.push_back(operations / seconds * 1e-9);
    state.SetIterationTime(seconds);
  }
  state.counters["GFLOPS"] = median(rates);
  state.counters["peak"] = median(peaks);
  state.counters["of_peak"] = median(rates) / median(peaks);
}

// Two empty pieces: what one parallel job costs while the pool is warm.
void fork_join(benchmark::State& state) {
  set_num_threads(2);
  volatile char seen[2];
  for (auto _ : state) {
    for_chunks(
        2, 1, [&](int64_t begin, int64_t) { seen[begin] = 1; }, 20000);
  }
}

void add_benchmarks() {
  benchmark::RegisterBenchmark("fork_join", fork_join);
  const int all = num_threads();
  for (Target target : supported_targets()) {
    for (const Case& shape : kCases) {
      const bool large = shape.m * shape.n * shape.k > 300000000;
      if (target == Target::kScalar && shape.m * shape.n * shape.k > 20000000) continue;  // seconds each
      for (int threads = 1; threads <= all; threads += std::max(1, all - 1)) {
        const std::string size =
            std::to_string(shape.m) + "x" + std::to_string(shape.n) + "x" + std::to_string(shape.k);
        const std::string name = std::string("matmul/") + target_name(target) + "/" + shape.name + "/" + size;
        const std::string end = "/threads:" + std::to_string(threads);
        for (bool wide : {false, true}) {
          if (wide && large) continue;
          const auto body = [=](benchmark::State& state) {
            wide ? matmul<double>(state, shape, target, threads) : matmul<float>(state, shape, target, threads);
          };
          benchmark::RegisterBenchmark((name + (wide ? "/float64" : "/float32") + end).c_str(), body)
              ->UseManualTime()
              ->Unit(benchmark::kMicrosecond)
              ->Iterations(large ? 21 : 201);
        }
      }
    }
  }
}

}  // namespace
}  // namespace fallline

int main(int argc, char** argv) {
  fallline::add_benchmarks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
