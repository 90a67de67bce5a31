// A primitive for all rules. Its outputs are the new parameters, each followed by its new slots.
#include "optim/planned.h"

#include "primitives/batch.h"
#include "ops/move.h"
#include "ops/plain.h"

namespace fallline {
namespace {

constexpr int kGradients = 2;  // the first of them among the inputs: hypers, t, gradients, parameters with their slots

struct UpdateAttrs {
  int64_t rule, precision, tensors;
  FL_FIELDS(rule, precision, tensors);
};

// To the tensor of the next example, so many bytes further.
void go_on(RuleTensor& tensor, int slots, int64_t bytes) {
  tensor.g = static_cast<const std::byte*>(tensor.g) + bytes;
  tensor.w = static_cast<std::byte*>(tensor.w) + bytes;
  for (int slot = 0; slot < slots; ++slot) tensor.slots[slot] = static_cast<std::byte*>(tensor.slots[slot]) + bytes;
}

// All tensors, or those of each example where the hyper-parameters are those of examples too: (examples, n) and
// (examples,).
void update(Inputs in, Inputs out, Attrs attrs) {
  const UpdateAttrs& a = attrs.as<UpdateAttrs>();
  const int count = static_cast<int>(a.tensors), first = kGradients + count, each = out.count / count;
  for (int i = 0; i < out.count; ++i)
    if (out[i].data != in[first + i].data) cast(in[first + i], out[i]);
  std::vector<Array> copies;  // of what lies in another order
  const auto ordered = [&](const Array& x, const Dims& strides) {
    if (x.strides == strides) return x.data;
    copies.push_back(Array::empty(x.shape, x.dtype));
    copies.back().strides = strides;
    cast(x, copies.back());
    return copies.back().data;
  };
  const auto flat = [&](const Array& x) { return ordered(x, row_major(x.shape)); };
  if (!in[1].size()) return;
  const int64_t examples = in[1].size(), numbers = in[0].size() / examples,
                bytes = static_cast<int64_t>(size_of(in[first].dtype));
  const auto* const hypers = reinterpret_cast<const double*>(flat(in[0]));
  const auto* const t = reinterpret_cast<const int64_t*>(flat(in[1]));
  const Precision precision = static_cast<Precision>(a.precision);
  thread_local std::vector<RuleTensor> tensors;
  tensors.assign(static_cast<size_t>(count), RuleTensor{});
  for (int i = 0; i < count; ++i) {
    RuleTensor& tensor = tensors[static_cast<size_t>(i)];
    tensor.n = in[kGradients + i].size() / examples;
    tensor.g = ordered(in[kGradients + i], out[i * each].strides);
    tensor.w = out[i * each].data;
    for (int slot = 1; slot < each; ++slot) tensor.slots[slot - 1] = out[i * each + slot].data;
  }
  const int64_t end = lay_out(tensors.data(), count, precision);
  for (int64_t e = 0; e < examples; ++e) {
    rule_step(rule(static_cast<int>(a.rule)), in[first].dtype, hypers + e * numbers, t[e] + 1, tensors.data(), count,
              end, precision);
    for (RuleTensor& tensor : tensors) go_on(tensor, each - 1, tensor.n * bytes);
  }
}

Vars batch_update(const BatchedCall& b) {
  const bool own = b.has(0) || b.has(1);  // hyper-parameters, or a time, for each example
  Vars in = {own ? spread(b, 0) : b[0], own ? spread(b, 1) : b[1]};
  for (int i = kGradients; i < b.count(); ++i) in.push_back(spread(b, i));
  if (own && b[0].shape().size() > 1 + b.has(0)) {  // examples of examples
    in[0] = reshape(in[0], {-1, in[0].shape().back()});
    in[1] = reshape(in[1], {-1});
  }
  return apply_all(b.primitive, in, b.attrs);
}

constexpr Primitive kUpdate =
    primitive("update",
              [](Inputs in, Attrs attrs) {
                Layouts out;
                const auto tensors = static_cast<int>(attrs.as<UpdateAttrs>().tensors);
                const int first = kGradients + tensors;
                for (int i = first; i < in.count; ++i) {
                  const Array& x = in[i];
                  const bool dense = in[1].size() == 1 && is_dense(x.shape, x.strides);
                  out.push_back({x.dtype, x.shape, -1, 0, dense ? x.strides : row_major(x.shape)});
                }
                return out;
              })
        .no_derivative()
        .batch(batch_update)
        .run(update)
        .overwrites_last();

}  // namespace

Vars planned_step(int rule, Precision precision, const Var& hypers, const Var& t, const Vars& gs, const Vars& ws,
                  const Vars& slots) {
  if (ws.empty()) return {};
  Vars in = {hypers, t};
  in.insert(in.end(), gs.begin(), gs.end());
  const size_t each = slots.size() / ws.size();
  for (size_t i = 0; i < ws.size(); ++i) {
    in.push_back(ws[i]);
    for (size_t s = 0; s < each; ++s) in.push_back(slots[i * each + s]);
  }
  return apply_all(kUpdate, in, UpdateAttrs{rule, static_cast<int64_t>(precision), static_cast<int64_t>(ws.size())});
}

}  // namespace fallline
