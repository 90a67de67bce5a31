// Dropout, whose choice is a function of a key.
#include "nn/dropout.h"

#include "ops/elementwise.h"
#include "ops/random.h"

namespace fallline {
namespace {

constexpr Primitive kDropout =  // number: the rate; integer: the stream
    primitive("dropout", like_first)
        .vjp([](Pullback& p) { p.gin[0] = dropout(p.g, p.in[1], p.attrs.number, p.attrs.integer); },
             kReadsB)  // the same factors again
        .run([](Inputs in, const Array& out, const Attrs& a) {
          const uint64_t* key = in[1].as<uint64_t>();
          random_dropout(derive_key(derive_key(key[0], key[1]), static_cast<uint64_t>(a.integer)), 0, 1 - a.number,
                         out);
          binary(BinaryOp::kMultiply, in[0], out, out);
        });

}  // namespace

Var dropout(const Var& x, const Var& key, double rate, int64_t stream) {
  Attrs attrs;
  attrs.number = rate;
  attrs.integer = stream;
  return apply(kDropout, {x, key}, attrs);
}

}  // namespace fallline
