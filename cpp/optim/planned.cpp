// A primitive for all rules. Its outputs are the new parameter and the new slots.
#include "optim/planned.h"

#include <string>

#include "primitives/functions.h"
#include "record/primitive.h"
#include "ops/plain.h"
#include "optim/rules.h"

namespace fallline {
namespace {

constexpr int kParameter = 3;  // the first input that has an output of its own

struct UpdateAttrs {
  int64_t rule;
  FL_FIELDS(rule);
};

void update(Inputs in, Inputs out, Attrs attrs) {
  RuleTensor tensor{};
  for (int i = 0; i < out.count; ++i) {
    const Array& before = in[kParameter + i];
    if (out[i].data != before.data) cast(before, out[i]);
    (i == 0 ? tensor.w : tensor.slots[i - 1]) = out[i].data;
  }
  Array g = in[2];
  if (!g.row_major()) cast(in[2], g = Array::empty(in[2].shape, in[2].dtype));
  tensor.n = g.size();
  tensor.g = g.data;
  const int64_t end = lay_out(&tensor, 1);
  rule_step(rule(static_cast<int>(attrs.as<UpdateAttrs>().rule)), in[kParameter].dtype, in[0].as<double>(),
            *in[1].as<int64_t>() + 1, &tensor, 1, end);
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
        .run(update, kParameter);

}  // namespace

Vars planned_step(int rule, const Var& hypers, const Var& t, const Var& g, const Var& w, const Vars& slots) {
  Vars in = {hypers, t, g, w};
  in.insert(in.end(), slots.begin(), slots.end());
  return apply_all(kPlannedStep, in, UpdateAttrs{rule});
}

}  // namespace fallline
