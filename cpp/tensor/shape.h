// How long is an array along each axis, and where does its next element lie?
#ifndef FALLLINE_TENSOR_SHAPE_H_
#define FALLLINE_TENSOR_SHAPE_H_

#include <algorithm>
#include <cassert>
#include <cstdint>
#include <initializer_list>
#include <string>

#include "tensor/dtype.h"

namespace fallline {

constexpr int kMaxDims = 8;

// A few whole numbers: a shape, strides (in elements), axes.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> values) {
    for (int64_t value : values) push_back(value);
  }
  static Dims filled(int n, int64_t value) {
    Dims dims;
    for (int i = 0; i < n; ++i) dims.push_back(value);
    return dims;
  }
  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  int64_t& operator[](int i) { return values_[i]; }
  int64_t operator[](int i) const { return values_[i]; }
  int64_t back() const { return values_[size_ - 1]; }
  const int64_t* begin() const { return values_; }
  const int64_t* end() const { return values_ + size_; }
  void push_back(int64_t value) {
    if (size_ == kMaxDims)
      throw ShapeError("[shape] an array has at most " + std::to_string(kMaxDims) + " axes; merge some with reshape");
    values_[size_++] = value;
  }
  bool contains(int64_t value) const { return std::find(begin(), end(), value) != end(); }
  friend bool operator==(const Dims& a, const Dims& b) {
    return a.size_ == b.size_ && std::equal(a.begin(), a.end(), b.begin());
  }
  friend bool operator!=(const Dims& a, const Dims& b) { return !(a == b); }

 private:
  int size_ = 0;
  int64_t values_[kMaxDims];
};

int64_t count(const Dims& shape);   // the number of elements; 1 for a 0-d array
Dims row_major(const Dims& shape);  // strides of a C-contiguous array
bool is_row_major(const Dims& shape, const Dims& strides);
// The axes from the one with the longest steps to the one with the shortest; equal ones stay in their order.
void order_of_memory(const Dims& strides, int* axes);
// Every element exactly once in some order of the axes, so that a flat sweep sees each: (3, 4) with strides (1, 3).
bool is_dense(const Dims& shape, const Dims& strides);
// Strides with the axes in the order of memory that `like` has, without gaps.
Dims dense_like(const Dims& shape, const Dims& like);

Dims broadcast(const Dims& a, const Dims& b, const char* op);                    // throws ShapeError
Dims broadcast_strides(const Dims& shape, const Dims& strides, const Dims& to);  // 0 along repeated axes

// Axes counted from the front, sorted, without repeats; an empty list of axes means all of them when `all` is set.
Dims normalize_axes(const Dims& axes, int ndim, const char* op);
int normalize_axis(int64_t axis, int ndim, const char* op);

// Strides that show (shape, strides) as `to` without copying; false when there are none.
bool reshape_strides(const Dims& shape, const Dims& strides, const Dims& to, Dims& out);

std::string to_string(const Dims& shape);  // "(3, 4)"

// What is known of an array before it has memory.
struct Layout {
  DType dtype = DType::kFloat32;
  Dims shape;
  // A view: the output shares the memory of input number `alias`, `offset` elements further on, with these strides.
  int alias = -1;
  int64_t offset = 0;
  Dims strides;
};

}  // namespace fallline

#endif  // FALLLINE_TENSOR_SHAPE_H_
