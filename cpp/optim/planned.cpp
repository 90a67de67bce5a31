// A primitive for all rules. Its outputs are the new parameter and the new slots.
#include "optim/planned.h"

#include <string>

#include "primitives/batch.h"
#include "ops/move.h"
#include "ops/plain.h"
#include "optim/rules.h"

namespace fallline {
namespace {

constexpr int kParameter = 3;  // the first input that has an output of its own

struct UpdateAttrs {
  int64_t rule;
  FL_FIELDS(rule);
};

// One parameter, or one of each example where the hyper-parameters are those of examples too: (examples, n) and
// (examples,).
void update(Inputs in, Inputs out, Attrs attrs) {
  for (int i = 0; i < out.count; ++i)
    if (out[i].data != in[kParameter + i].data) cast(in[kParameter + i], out[i]);
  const Array g = contiguous(in[2]), hypers = contiguous(in[0]), t = contiguous(in[1]);
  const int64_t examples = t.size();
  for (int64_t e = 0; e < examples; ++e) {
    const auto part = [&](const Array& x) { return x.data + x.bytes() / examples * e; };
    RuleTensor tensor{};
    tensor.n = g.size() / examples;
    tensor.g = part(g);
    for (int i = 0; i < out.count; ++i) (i == 0 ? tensor.w : tensor.slots[i - 1]) = part(out[i]);
    const int64_t end = lay_out(&tensor, 1);
    rule_step(rule(static_cast<int>(attrs.as<UpdateAttrs>().rule)), in[kParameter].dtype,
              reinterpret_cast<const double*>(part(hypers)), t.as<int64_t>()[e] + 1, &tensor, 1, end);
  }
}

Vars batch_update(const BatchedCall& b) {
  const bool own = b.has(0) || b.has(1);  // hyper-parameters, or a time, for each example
  Vars in = {own ? spread(b, 0) : b[0], own ? spread(b, 1) : b[1]};
  for (int i = 2; i < b.count(); ++i) in.push_back(spread(b, i));
  if (own && b[0].shape().size() > 1 + b.has(0)) {  // examples of examples
    in[0] = reshape(in[0], {-1, in[0].shape().back()});
    in[1] = reshape(in[1], {-1});
  }
  return apply_all(b.primitive, in, b.attrs);
}

constexpr Primitive kPlannedStep =  // inputs: hyper-parameters, t, gradient, parameter, slots
    primitive("update",
              [](Inputs in, Attrs) {
                Layouts out;
                for (int i = kParameter; i < in.count; ++i)
                  out.push_back({in[i].dtype, in[i].shape, -1, 0, row_major(in[i].shape)});
                return out;
              })
        .no_derivative()
        .batch(batch_update)
        .run(update, kParameter);

}  // namespace

Vars planned_step(int rule, const Var& hypers, const Var& t, const Var& g, const Var& w, const Vars& slots) {
  Vars in = {hypers, t, g, w};
  in.insert(in.end(), slots.begin(), slots.end());
  return apply_all(kPlannedStep, in, UpdateAttrs{rule});
}

}  // namespace fallline
