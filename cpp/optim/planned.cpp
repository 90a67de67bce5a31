// A primitive for all rules. It has one output: the new parameter and the new slots, stacked.
#include "optim/planned.h"

#include <string>

#include "autograd/functions.h"
#include "autograd/primitive.h"
#include "ops/plain.h"
#include "optim/rules.h"

namespace fallline {
namespace {

// Row i of the stacked values, seen in the parameter's shape.
Array row_of(const Array& stacked, int64_t i, const Dims& shape) {
  Layout layout = stacked.layout();
  layout.shape = shape;
  layout.strides = row_major(shape);
  layout.alias = 0;
  layout.offset = i * count(shape);
  return stacked.view(layout);
}

constexpr Primitive kPlannedStep = {  // integer: the rule; inputs: hyper-parameters, t, gradient, parameter, slots
    "update",
    [](Inputs in, const Attrs&) {
      Layout out;
      out.dtype = in[3].dtype;
      out.shape = {in.count - 3, count(in[3].shape)};
      return out;
    },
    [](Inputs in, const Array& out, const Attrs& attrs) {
      RuleTensor tensor{};
      for (int i = 3; i < in.count; ++i) {
        const Array row = row_of(out, i - 3, in[3].shape);
        cast(in[i], row);
        (i == 3 ? tensor.w : tensor.slots[i - 4]) = row.data;
      }
      Array g = in[2];
      if (!g.row_major()) cast(in[2], g = Array::empty(in[2].shape, in[2].dtype));
      tensor.n = g.size();
      tensor.g = g.data;
      const int64_t end = lay_out(&tensor, 1);
      rule_step(rule(static_cast<int>(attrs.integer)), out.dtype, in[0].as<double>(), *in[1].as<int64_t>() + 1, &tensor,
                1, end);
    },
    nullptr, kReadsNone};

}  // namespace

Vars planned_step(int rule, const Var& hypers, const Var& t, const Var& g, const Var& w, const Vars& slots) {
  Vars in = {hypers, t, g, w};
  in.insert(in.end(), slots.begin(), slots.end());
  Attrs attrs;
  attrs.integer = rule;
  const Var stacked = apply(kPlannedStep, in.data(), static_cast<int>(in.size()), attrs);
  Vars out;
  for (size_t i = 0; i <= slots.size(); ++i) {
    const Var row = slice(stacked, {static_cast<int64_t>(i), 0}, {1, stacked.shape()[1]}, {1, 1});
    out.push_back(reshape(row, w.shape()));
  }
  return out;
}

}  // namespace fallline
