// A primitive for all rules. It has one output: the new parameter and the new slots, stacked.
#include "optim/planned.h"

#include <string>

#include "primitives/functions.h"
#include "record/primitive.h"
#include "ops/plain.h"
#include "optim/rules.h"

namespace fallline {
namespace {

constexpr int kParameter = 3;  // the first input with a row of its own

struct UpdateAttrs {
  int64_t rule;
  FL_FIELDS(rule);
};

void update(Inputs in, Inputs rows, Attrs attrs) {
  RuleTensor tensor{};
  for (int i = 0; i < rows.count; ++i) {
    const Array& before = in[kParameter + i];
    Array row = Array::placeholder(before.shape, before.dtype);
    row.data = rows[i].data;
    if (row.data != before.data) cast(before, row);
    (i == 0 ? tensor.w : tensor.slots[i - 1]) = row.data;
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
                Layout out;
                out.dtype = in[kParameter].dtype;
                out.shape = {in.count - kParameter, count(in[kParameter].shape)};
                return out;
              })
        .no_derivative()
        .run([](Inputs in, const Array& out, Attrs attrs) {
          std::vector<Array> rows(static_cast<size_t>(out.shape[0]), Array::placeholder({out.shape[1]}, out.dtype));
          std::vector<const Array*> places;
          for (Array& row : rows) {
            row.data = out.data + static_cast<int64_t>(places.size()) * row.bytes();
            places.push_back(&row);
          }
          update(in, {places.data(), static_cast<int>(places.size())}, attrs);
        })
        .run_rows(update, kParameter);

}  // namespace

Vars planned_step(int rule, const Var& hypers, const Var& t, const Var& g, const Var& w, const Vars& slots) {
  Vars in = {hypers, t, g, w};
  in.insert(in.end(), slots.begin(), slots.end());
  const Var stacked = apply(kPlannedStep, in.data(), static_cast<int>(in.size()), UpdateAttrs{rule});
  Vars out;
  for (size_t i = 0; i <= slots.size(); ++i) {
    const Var row = slice(stacked, {static_cast<int64_t>(i), 0}, {1, stacked.shape()[1]}, {1, 1});
    out.push_back(reshape(row, w.shape()));
  }
  return out;
}

}  // namespace fallline
