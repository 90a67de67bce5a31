// Functions that only move elements: copies, joins, gathers and scatters.
#include "ops/move.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "ops/plain.h"
#include "simd/parallel.h"

namespace fallline {
namespace {

// An array seen as (outer, axis, inner).
struct Axis {
  int64_t outer = 1, length, inner = 1;
  Axis(const Dims& shape, int axis) : length(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
};

}  // namespace

Array contiguous(const Array& x) {
  if (x.row_major()) return x;
  Array out = Array::empty(x.shape, x.dtype);
  cast(x, out);
  return out;
}

void fill_zero(const Array& out) { std::memset(out.data, 0, static_cast<size_t>(out.bytes())); }

void concatenate(const Array* inputs, int inputs_count, int axis, const Array& out) {
  int64_t offset = 0;
  for (int i = 0; i < inputs_count; ++i) {
    Layout part = out.layout();
    part.shape[axis] = inputs[i].shape[axis];
    part.offset = offset * out.strides[axis];
    cast(inputs[i], out.view(part));
    offset += inputs[i].shape[axis];
  }
}

void take(const Array& x, const Array& indices, int axis, const Array& out) {
  const Array from = contiguous(x), at = contiguous(indices);
  const Axis view(from.shape, axis);
  const size_t row = static_cast<size_t>(view.inner) * size_of(x.dtype);
  const int64_t n = at.size(), *index = at.as<int64_t>();
  const int64_t grain = std::max<int64_t>(1, kSweepGrain / std::max<int64_t>(1, view.inner));
  for_chunks(view.outer * n, grain, [&](int64_t begin, int64_t end) {
    for (int64_t k = begin; k < end; ++k) {
      const int64_t source = (k / n) * view.length + index[k % n];
      std::memcpy(out.data + static_cast<size_t>(k) * row, from.data + static_cast<size_t>(source) * row, row);
    }
  });
}

void scatter_add(const Array& g, const Array& indices, int axis, const Array& out) {
  const Array from = contiguous(g), at = contiguous(indices);
  const Axis view(out.shape, axis);
  const int64_t n = at.size(), *index = at.as<int64_t>();
  fill_zero(out);
  visit(out.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for (int64_t o = 0; o < view.outer; ++o)
      for (int64_t j = 0; j < n; ++j) {
        T* to = out.as<T>() + (o * view.length + index[j]) * view.inner;
        const T* part = from.as<T>() + (o * n + j) * view.inner;
        for (int64_t i = 0; i < view.inner; ++i) to[i] = static_cast<T>(to[i] + part[i]);
      }
  });
}

void check_indices(const Array& indices, int64_t length, const char* op) {
  const Array at = contiguous(indices);
  const int64_t* index = at.as<int64_t>();
  for (int64_t i = 0, n = at.size(); i < n; ++i)
    if (index[i] < 0 || index[i] >= length)
      throw std::out_of_range("[" + std::string(op) + "] index " + std::to_string(index[i]) + " at position " +
                              std::to_string(i) + " is out of range for length " + std::to_string(length));
}

void argsort(const Array& given, int axis, const Array& out) {
  const Array x = contiguous(given);
  int64_t outer = 1, inner = 1;
  for (int i = 0; i < x.ndim(); ++i) (i < axis ? outer : inner) *= i == axis ? 1 : x.shape[i];
  const int64_t n = x.shape[axis];
  visit(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for_chunks(
        outer * inner, 1,
        [&](int64_t begin, int64_t end) {
          std::vector<int64_t> order(static_cast<size_t>(n));
          for (int64_t row = begin; row < end; ++row) {
            const int64_t first = row / inner * n * inner + row % inner;
            const T* const at = x.as<T>() + first;
            std::iota(order.begin(), order.end(), 0);
            std::stable_sort(order.begin(), order.end(), [&](int64_t i, int64_t j) {
              const T a = at[i * inner], b = at[j * inner];
              return a < b || (b != b && a == a);
            });
            for (int64_t i = 0; i < n; ++i) out.as<int64_t>()[first + i * inner] = order[static_cast<size_t>(i)];
          }
        },
        50 * n);
  });
}

}  // namespace fallline
