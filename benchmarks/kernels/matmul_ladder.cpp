// How does a matrix product become fast?  One rung per idea, each checked against the first and timed on the active
// target with one thread: matmul_ladder [n ...]
#include "kernels/matmul_ladder.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "kernels/ladder.h"
#include "ops/matmul_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/matmul_ladder.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

FL_BEGIN_TARGET

// 1. The definition. The inner loop walks down a column of b: a new cache line for every product.
inline void naive(int64_t n, const float* a, const float* b, float* c, float*) {
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (int64_t k = 0; k < n; ++k) sum += a[i * n + k] * b[k * n + j];
      c[i * n + j] = sum;
    }
  }
}

// 2. Loops exchanged: the inner one runs along rows of b and c, whole registers at a time. Now every fma loads and
// stores c.
inline void by_rows(int64_t n, const float* a, const float* b, float* c, float*) {
  constexpr int64_t kLanes = Pack<float>::kLanes;
  std::fill(c, c + n * n, 0.0f);
  for (int64_t i = 0; i < n; ++i) {
    for (int64_t k = 0; k < n; ++k) {
      const Pack<float> left = a[i * n + k];
      for (int64_t j = 0; j < n; j += kLanes) {
        fma(left, Pack<float>::load(b + k * n + j), Pack<float>::load(c + i * n + j)).store(c + i * n + j);
      }
    }
  }
}

// 3. The same in blocks of 64 x 64, so that the block of b is still in the cache when the next row of a needs it.
inline void blocked(int64_t n, const float* a, const float* b, float* c, float*) {
  constexpr int64_t kLanes = Pack<float>::kLanes, kBlock = 64;
  std::fill(c, c + n * n, 0.0f);
  for (int64_t k0 = 0; k0 < n; k0 += kBlock) {
    for (int64_t j0 = 0; j0 < n; j0 += kBlock) {
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t k = k0; k < k0 + kBlock; ++k) {
          const Pack<float> left = a[i * n + k];
          for (int64_t j = j0; j < j0 + kBlock; j += kLanes) {
            fma(left, Pack<float>::load(b + k * n + j), Pack<float>::load(c + i * n + j)).store(c + i * n + j);
          }
        }
      }
    }
  }
}

// Four rows times two registers of columns: eight sums stay in registers through the whole of k, and every load of b
// serves four rows.
inline void four_by_two(int64_t n, const float* a, const float* b, int64_t b_row, float* c) {
  constexpr int64_t kLanes = Pack<float>::kLanes;
  Pack<float> sum[4][2];
  for (auto& row : sum) row[0] = row[1] = Pack<float>(0.0f);
  for (int64_t k = 0; k < n; ++k) {
    const Pack<float> right[2] = {Pack<float>::load(b + k * b_row), Pack<float>::load(b + k * b_row + kLanes)};
    for (int64_t i = 0; i < 4; ++i) {
      const Pack<float> left = a[i * n + k];
      sum[i][0] = fma(left, right[0], sum[i][0]);
      sum[i][1] = fma(left, right[1], sum[i][1]);
    }
  }
  for (int64_t i = 0; i < 4; ++i) {
    sum[i][0].store(c + i * n);
    sum[i][1].store(c + i * n + kLanes);
  }
}

// 4. c is no longer read or written in the inner loop.
inline void register_tiles(int64_t n, const float* a, const float* b, float* c, float*) {
  constexpr int64_t kWidth = 2 * static_cast<int64_t>(Pack<float>::kLanes);
  for (int64_t j = 0; j < n; j += kWidth) {
    for (int64_t i = 0; i < n; i += 4) four_by_two(n, a + i * n, b + j, n, c + i * n + j);
  }
}

// 5. Each panel of b is first copied together: its rows lay a page apart and shared a few sets of the cache.
inline void packed(int64_t n, const float* a, const float* b, float* c, float* panels) {
  constexpr int64_t kLanes = Pack<float>::kLanes, kWidth = 2 * kLanes;
  for (int64_t j = 0; j < n; j += kWidth) {
    for (int64_t k = 0; k < n; ++k) {
      Pack<float>::load(b + k * n + j).store(panels + k * kWidth);
      Pack<float>::load(b + k * n + j + kLanes).store(panels + k * kWidth + kLanes);
    }
    for (int64_t i = 0; i < n; i += 4) four_by_two(n, a + i * n, panels, kWidth, c + i * n + j);
  }
}

constexpr LadderTable kLadderTable = {naive, by_rows, blocked, register_tiles, packed};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(LadderTable, ladder_table, kLadderTable)

namespace fallline {
namespace {

// 6. Tiles of up to fourteen rows, both operands packed, prefetched: the library.
MatmulArgs square(int64_t n, const float* a, const float* b, float* c) {
  MatmulArgs args{};
  args.m = args.n = args.k = n;
  args.a = a, args.b = b, args.c = c;
  args.a_row = args.b_row = args.c_row = n;
  args.a_col = args.b_col = 1;
  return args;
}

void library(int64_t n, const float* a, const float* b, float* c, float*) {
  matmul_kernels().run[0](square(n, a, b, c));
}

// 7. The activation follows each block while that is in the cache. Twice x tells how often a value was visited.
void library_and_double(int64_t n, const float* a, const float* b, float* c, float*) {
  MatmulArgs args = square(n, a, b, c);
  args.finish = [](void*, const MatmulTile& tile) {
    float* row = const_cast<float*>(static_cast<const float*>(tile.c));
    for (int64_t i = tile.row; i < tile.row_end; ++i, row += tile.c_row) {
      for (int64_t j = 0; j < tile.column_end - tile.column; ++j) row[j] *= 2;
    }
  };
  matmul_kernels().run[0](args);
}

bool climb_product(int64_t n) {
  const auto size = static_cast<size_t>(n * n);
  const Floats a = scattered(size, -0.5f), b = scattered(size, -0.25f);
  Floats c(size), truth(size), panels(size);
  const LadderTable& rungs = ladder_table();
  rungs.naive(n, a.data(), b.data(), truth.data(), nullptr);
  char name[32];
  std::snprintf(name, sizeof name, "product %lld", static_cast<long long>(n));
  const double side = static_cast<double>(n);
  const Ladder ladder = {name, 2 * side * side * side, "GFLOP/s", peak_float, 1e-6 * side};
  const struct {
    const char* name;
    LadderProduct product;
    float times = 1;
  } steps[] = {{"1. definition", rungs.naive},
               {"2. by rows", rungs.by_rows},
               {"3. blocked", rungs.blocked},
               {"4. register tiles", rungs.register_tiles},
               {"5. packed panels", rungs.packed},
               {"6. library", library},
               {"7. with epilogue", library_and_double, 2}};
  bool right = true;
  begin(ladder);
  for (const auto& step : steps) {
    std::fill(c.begin(), c.end(), 0.0f);
    const auto run = [&] { step.product(n, a.data(), b.data(), c.data(), panels.data()); };
    right = climb(ladder, step.name, run, [&] { return largest_difference(c, truth, step.times); }) && right;
  }
  return right;
}

}  // namespace
}  // namespace fallline

int main(int argc, char** argv) {
  fallline::begin_ladders();
  bool right = true;
  if (argc == 1) right = fallline::climb_product(256) && fallline::climb_product(1024);
  for (int i = 1; i < argc; ++i) {
    right = fallline::climb_product((std::max(64, std::atoi(argv[i])) + 63) / 64 * 64) && right;
  }
  return right ? 0 : 1;
}
#endif
