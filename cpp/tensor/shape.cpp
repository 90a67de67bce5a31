// How long is an array along each axis, and where does its next element lie?
#include "tensor/shape.h"

namespace fallline {

int64_t count(const Dims& shape) {
  int64_t n = 1;
  for (int64_t length : shape) n *= length;
  return n;
}

Dims row_major(const Dims& shape) {
  Dims strides = shape;
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

bool is_row_major(const Dims& shape, const Dims& strides) {
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != step) return false;
    step *= shape[i];
  }
  return true;
}

// By insertion: std::stable_sort asks for memory, which takes longer than to order a few axes.
void order_of_memory(const Dims& strides, int* axes) {
  for (int i = 0; i < strides.size(); ++i) {
    int j = i;
    for (; j > 0 && strides[axes[j - 1]] < strides[i]; --j) axes[j] = axes[j - 1];
    axes[j] = i;
  }
}

bool is_dense(const Dims& shape, const Dims& strides) {
  int axes[kMaxDims];
  order_of_memory(strides, axes);
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    const int axis = axes[i];
    if (shape[axis] == 0) return true;
    if (shape[axis] != 1 && strides[axis] != step) return false;
    if (shape[axis] != 1) step *= shape[axis];
  }
  return true;
}

Dims dense_like(const Dims& shape, const Dims& like) {
  int axes[kMaxDims];
  order_of_memory(like, axes);
  Dims strides = shape;
  int64_t step = 1;
  for (int i = shape.size() - 1; i >= 0; --i) {
    strides[axes[i]] = step;
    step *= shape[axes[i]];
  }
  return strides;
}

Dims broadcast(const Dims& a, const Dims& b, const char* op) {
  if (a == b) return a;
  const int n = std::max(a.size(), b.size());
  Dims out = Dims::filled(n, 1);
  for (int i = 1; i <= n; ++i) {
    const int64_t x = i <= a.size() ? a[a.size() - i] : 1, y = i <= b.size() ? b[b.size() - i] : 1;
    if (x != y && x != 1 && y != 1)
      throw ShapeError("[" + std::string(op) + "] shapes do not broadcast: " + to_string(a) + " and " + to_string(b) +
                       "; axes counted from the right must be equal or 1");
    out[n - i] = x == 1 ? y : x;
  }
  return out;
}

Dims broadcast_strides(const Dims& shape, const Dims& strides, const Dims& to) {
  if (shape == to) return strides;
  Dims out = Dims::filled(to.size(), 0);
  for (int i = 1; i <= shape.size(); ++i)
    if (shape[shape.size() - i] == to[to.size() - i]) out[to.size() - i] = strides[shape.size() - i];
  return out;
}

int normalize_axis(int64_t axis, int ndim, const char* op) {
  const int64_t from_front = axis < 0 ? axis + ndim : axis;
  if (from_front < 0 || from_front >= ndim)
    throw ShapeError("[" + std::string(op) + "] axis " + std::to_string(axis) + " is out of range for an array with " +
                     std::to_string(ndim) + " axes");
  return static_cast<int>(from_front);
}

Dims normalize_axes(const Dims& axes, int ndim, const char* op) {
  bool chosen[kMaxDims] = {};
  for (int64_t axis : axes) {
    const int i = normalize_axis(axis, ndim, op);
    if (chosen[i]) throw ShapeError("[" + std::string(op) + "] axis " + std::to_string(axis) + " is named twice");
    chosen[i] = true;
  }
  Dims out;
  for (int i = 0; i < ndim; ++i)
    if (chosen[i]) out.push_back(i);
  return out;
}

bool reshape_strides(const Dims& shape, const Dims& strides, const Dims& to, Dims& out) {
  out = row_major(to);
  if (count(shape) <= 1 || is_row_major(shape, strides)) return true;
  Dims lengths, steps;  // without axes of length 1
  for (int i = 0; i < shape.size(); ++i)
    if (shape[i] != 1) {
      lengths.push_back(shape[i]);
      steps.push_back(strides[i]);
    }
  // Match runs of old axes with runs of new axes that have equally many elements; an old run must lie evenly in memory.
  int i = 0, j = 0;
  while (i < lengths.size() && j < to.size()) {
    int i_end = i + 1, j_end = j + 1;
    int64_t old_count = lengths[i], new_count = to[j];
    while (old_count != new_count) {
      if (old_count < new_count) {
        old_count *= lengths[i_end++];
      } else {
        new_count *= to[j_end++];
      }
    }
    for (int k = i; k + 1 < i_end; ++k)
      if (steps[k] != steps[k + 1] * lengths[k + 1]) return false;
    int64_t step = steps[i_end - 1];
    for (int k = j_end - 1; k >= j; --k) {
      out[k] = step;
      step *= to[k];
    }
    i = i_end;
    j = j_end;
  }
  for (; j < to.size(); ++j) out[j] = 1;  // trailing axes of length 1
  return true;
}

std::string to_string(const Dims& shape) {
  std::string text = "(";
  for (int i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace fallline
