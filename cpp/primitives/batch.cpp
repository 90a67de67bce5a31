// How do many calls of a row become one?
#include "primitives/batch.h"

namespace fallline {

Dims with_first(int64_t first, const Dims& rest) {
  Dims out = {first};
  for (int64_t n : rest) out.push_back(n);
  return out;
}

Dims shape_of(const BatchedCall& b, int i) {
  const Dims& shape = b[i].shape();
  Dims out;
  for (int axis = b.has(i); axis < shape.size(); ++axis) out.push_back(shape[axis]);
  return out;
}

Var spread(const BatchedCall& b, int i) {
  return b.has(i) ? b[i] : broadcast_to(b[i], with_first(b.size, b[i].shape()));
}

Var moved(const Var& x, int to) {
  Dims order;
  for (int i = 1; i < x.shape().size(); ++i) {
    if (i - 1 == to) order.push_back(0);
    order.push_back(i);
  }
  if (order.size() < x.shape().size()) order.push_back(0);
  return to == 0 ? x : permute(x, order);
}

Var moved_back(const Var& x, int from) {
  Dims order = {from};
  for (int i = 0; i < x.shape().size(); ++i)
    if (i != from) order.push_back(i);
  return from == 0 ? x : permute(x, order);
}

Var folded(const Var& x, int first) {
  Dims shape;
  for (int i = 0; i < x.shape().size(); ++i)
    if (i != first + 1) shape.push_back(i == first ? x.shape()[i] * x.shape()[i + 1] : x.shape()[i]);
  return reshape(x, shape);
}

Var unfolded(const Var& x, int64_t size, int first) {
  Dims shape;
  for (int i = 0; i < x.shape().size(); ++i) {
    if (i == first) shape.push_back(size);
    shape.push_back(i == first ? x.shape()[i] / std::max<int64_t>(size, 1) : x.shape()[i]);
  }
  return reshape(x, shape);
}

Vars batch_elementwise(const BatchedCall& b) {
  int axes = 0;
  for (int i = 0; i < b.count(); ++i) axes = std::max(axes, b[i].shape().size() - b.has(i));
  Vars in;
  for (int i = 0; i < b.count(); ++i) {
    Dims shape = {b.size};
    const Dims one = shape_of(b, i);
    for (int axis = one.size(); axis < axes; ++axis) shape.push_back(1);
    for (int64_t n : one) shape.push_back(n);
    in.push_back(b.has(i) ? reshape(b[i], shape) : b[i]);
  }
  return apply_any(b.primitive, in, b.attrs);
}

Vars batch_rows(const BatchedCall& b) {
  Vars in;
  for (int i = 0; i < b.count(); ++i) in.push_back(folded(spread(b, i)));
  Vars out = apply_any(b.primitive, in, b.attrs);
  for (Var& y : out) y = unfolded(y, b.size);
  return out;
}

Vars batch_leading(const BatchedCall& b) {
  Vars in;
  for (int i = 0; i < b.count(); ++i) in.push_back(spread(b, i));
  return apply_any(b.primitive, in, b.attrs);
}

}  // namespace fallline
