// What is an array?  A typed, strided view of a buffer. Copying one copies the view, never the elements.
#ifndef FALLLINE_TENSOR_ARRAY_H_
#define FALLLINE_TENSOR_ARRAY_H_

#include <memory>

#include "tensor/buffer.h"
#include "tensor/shape.h"

namespace fallline {

struct Array {
  std::shared_ptr<Buffer> buffer;  // null for a placeholder: an array that has a layout and no memory yet
  std::byte* data = nullptr;       // the first element
  DType dtype = DType::kFloat32;
  Dims shape;
  Dims strides;  // in elements

  static Array empty(const Dims& shape, DType dtype);
  static Array empty(const Layout& layout);  // memory of its own for a layout without gaps
  static Array placeholder(const Dims& shape, DType dtype);
  template <class T>
  static Array scalar(T value, DType dtype);

  int ndim() const { return shape.size(); }
  int64_t size() const { return count(shape); }
  int64_t bytes() const { return size() * static_cast<int64_t>(size_of(dtype)); }
  bool row_major() const { return is_row_major(shape, strides); }
  Layout layout() const { return {dtype, shape, -1, 0, strides}; }

  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data);
  }

  // Whether one place in memory is seen everywhere.
  bool one_element() const;

  // The same memory seen otherwise.
  Array view(const Layout& layout) const;
};

template <class T>
Array Array::scalar(T value, DType dtype) {
  Array out = empty({}, dtype);
  visit(dtype,
        [&](auto tag) { *out.as<typename decltype(tag)::Type>() = static_cast<typename decltype(tag)::Type>(value); });
  return out;
}

}  // namespace fallline

#endif  // FALLLINE_TENSOR_ARRAY_H_
