// What is an array?  A typed, strided view of a buffer.
#include "tensor/array.h"

namespace fallline {

Array Array::empty(const Dims& shape, DType dtype) { return empty(placeholder(shape, dtype).layout()); }

Array Array::empty(const Layout& layout) {
  const size_t bytes = static_cast<size_t>(count(layout.shape)) * size_of(layout.dtype);
  std::shared_ptr<Buffer> memory = Buffer::allocate(bytes);
  std::byte* const data = memory->data();
  return {std::move(memory), data, layout.dtype, layout.shape, layout.strides};
}

Array Array::placeholder(const Dims& shape, DType dtype) {
  for (int64_t length : shape)
    if (length < 0) throw ShapeError("[empty] lengths must not be negative: " + to_string(shape));
  Array out;
  out.dtype = dtype;
  out.shape = shape;
  out.strides = fallline::row_major(shape);
  return out;
}

bool Array::one_element() const {
  for (int i = 0; i < ndim(); ++i)
    if (shape[i] != 1 && strides[i] != 0) return false;
  return true;
}

Array Array::view(const Layout& layout) const {
  Array out;
  out.buffer = buffer;
  out.data = data ? data + layout.offset * static_cast<int64_t>(size_of(dtype)) : nullptr;
  out.dtype = layout.dtype;
  out.shape = layout.shape;
  out.strides = layout.strides;
  return out;
}

}  // namespace fallline
