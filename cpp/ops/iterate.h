// How does one walk several arrays of one shape at once?  Axes are sorted by the first array's memory order and merged
// where all arrays allow it, so that dense arrays of equal order are one run.
#ifndef FALLLINE_OPS_ITERATE_H_
#define FALLLINE_OPS_ITERATE_H_

#include <array>

#include "simd/parallel.h"
#include "tensor/shape.h"

namespace fallline {

template <int N>
struct Runs {
  int axes = 0;  // after merging; the last one is the run
  int64_t length[kMaxDims];
  int64_t step[kMaxDims][N];

  Runs(const Dims& shape, const std::array<const Dims*, N>& strides) {
    int order[kMaxDims];
    order_of_memory(*strides[0], order);
    for (int i = 0; i < shape.size(); ++i) {
      const int axis = order[i];
      if (shape[axis] == 1) continue;
      if (axes > 0 && mergeable(strides, axis, shape[axis])) {
        length[axes - 1] *= shape[axis];
      } else {
        length[axes++] = shape[axis];
      }
      for (int k = 0; k < N; ++k) step[axes - 1][k] = (*strides[k])[axis];
    }
    if (axes == 0) {
      axes = 1;
      length[0] = 1;
      for (int k = 0; k < N; ++k) step[0][k] = 1;
    }
  }

 private:
  bool mergeable(const std::array<const Dims*, N>& strides, int axis, int64_t inner) const {
    for (int k = 0; k < N; ++k)
      if (step[axes - 1][k] != (*strides[k])[axis] * inner) return false;
    return true;
  }
};

// Calls f(offsets, n, steps) for runs of n elements that cover the shape: element i of run r of array k lies at
// offsets[k] + i * steps[k]. Long work is spread over threads; runs are then called in no particular order.
template <int N, class F>
void for_each_run(const Dims& shape, const std::array<const Dims*, N>& strides, F&& f) {
  if (count(shape) == 0) return;
  const Runs<N> runs(shape, strides);
  const int inner = runs.axes - 1;
  const int64_t n = runs.length[inner];
  if (runs.axes == 1) {
    for_chunks(n, kSweepGrain, [&](int64_t begin, int64_t end) {
      int64_t offsets[N];
      for (int k = 0; k < N; ++k) offsets[k] = begin * runs.step[0][k];
      f(offsets, end - begin, runs.step[0]);
    });
    return;
  }
  int64_t outer = 1;
  for (int axis = 0; axis < inner; ++axis) outer *= runs.length[axis];
  const int64_t grain = std::max<int64_t>(1, kSweepGrain / n);
  for_chunks(outer, grain, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t offsets[N] = {};
      int64_t rest = row;
      for (int axis = inner - 1; axis >= 0; --axis) {
        const int64_t index = rest % runs.length[axis];
        rest /= runs.length[axis];
        for (int k = 0; k < N; ++k) offsets[k] += index * runs.step[axis][k];
      }
      f(offsets, n, runs.step[inner]);
    }
  });
}

}  // namespace fallline

#endif  // FALLLINE_OPS_ITERATE_H_
