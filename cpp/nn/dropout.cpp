// Dropout, whose choice is a function of a key.
#include "nn/dropout.h"

#include "ops/elementwise.h"
#include "ops/random.h"

namespace fallline {
namespace {

struct DropoutAttrs {
  double rate;
  int64_t stream;
  FL_FIELDS(rate, stream);
};

constexpr Primitive kDropout =
    primitive("dropout", like_first)
        .vjp(
            [](Pullback& p) {  // the same factors again
              const DropoutAttrs& a = p.attrs.as<DropoutAttrs>();
              p.gin[0] = dropout(p.g, p.in[1], a.rate, a.stream);
            },
            kReadsB)
        .run([](Inputs in, const Array& out, Attrs attrs) {
          const DropoutAttrs& a = attrs.as<DropoutAttrs>();
          const uint64_t* key = in[1].as<uint64_t>();
          random_dropout(derive_key(derive_key(key[0], key[1]), static_cast<uint64_t>(a.stream)), 0, 1 - a.rate, out);
          binary(BinaryOp::kMultiply, in[0], out, out);
        });

}  // namespace

Var dropout(const Var& x, const Var& key, double rate, int64_t stream) {
  return apply(kDropout, {x, key}, DropoutAttrs{rate, stream});
}

}  // namespace fallline
