// Dropout, whose choice is a function of a key.
#include "nn/dropout.h"

#include "primitives/batch.h"
#include "ops/elementwise.h"
#include "ops/move.h"
#include "ops/random.h"

namespace fallline {
namespace {

struct DropoutAttrs {
  double rate;
  int64_t stream;
  FL_FIELDS(rate, stream);
};

// Of the same key: the same elements of each example. Of keys of their own: one call, with a key for each part of x.
Vars batch_dropout(const BatchedCall& b) {
  if (b.has(1)) return {apply(b.primitive, {spread(b, 0), reshape(b[1], {-1, 2})}, b.attrs)};
  const Var factors = apply(b.primitive, {ones(shape_of(b, 0), b[0].dtype()), b[1]}, b.attrs);
  return {b[0] * factors};
}

constexpr Primitive kDropout =  // x, and keys: (2,), or (n, 2) for n equal parts of x
    primitive("dropout",
              [](Inputs in, Attrs) {
                return Layout{in[0].dtype, in[0].shape, -1, 0, row_major(in[0].shape)};
              })
        .vjp(
            [](Pullback& p) {  // the same factors again
              const DropoutAttrs& a = p.attrs.as<DropoutAttrs>();
              p.gin[0] = dropout(p.g, p.in[1], a.rate, a.stream);
            },
            kReadsB)
        .batch(batch_dropout)
        .run([](Inputs in, const Array& out, Attrs attrs) {
          const DropoutAttrs& a = attrs.as<DropoutAttrs>();
          const Array keys = contiguous(in[1]);
          const int64_t parts = keys.size() / 2, n = parts ? out.size() / parts : 0;
          for (int64_t i = 0; i < parts; ++i) {
            const uint64_t* key = keys.as<uint64_t>() + 2 * i;
            Layout part{out.dtype, {n}, -1, i * n, {1}};
            random_dropout(derive_key(derive_key(key[0], key[1]), static_cast<uint64_t>(a.stream)), 0, 1 - a.rate,
                           out.view(part));
          }
          binary(BinaryOp::kMultiply, in[0], out, out);
        });

}  // namespace

Var dropout(const Var& x, const Var& key, double rate, int64_t stream) {
  return apply(kDropout, {x, key}, DropoutAttrs{rate, stream});
}

}  // namespace fallline
