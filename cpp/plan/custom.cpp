// How does a call get a derivative that was written by hand?
#include "primitives/batch.h"
#include "plan/nested.h"
#include "record/node.h"

namespace fallline {
namespace {

OwnAttrs the_same(Attrs attrs) { return attrs.as<LoopAttrs>(); }
Primitive::Past past_of(Attrs attrs, int output) {
  const LoopAttrs& call = attrs.as<LoopAttrs>();
  const bool result = output < call.results;
  return {result && (!call.body || is_float(call.body->output(static_cast<size_t>(output)).dtype)), !result};
}

void pull_custom(Pullback& p) {
  const LoopAttrs& call = p.attrs.as<LoopAttrs>();
  Vars in(p.in, p.in + p.count);
  for (size_t i = 0; i < in.size(); ++i)
    if (!recording()) in[i] = detach(in[i]);
  const NoRecord record(true);  // for derivatives that the rule itself takes
  const auto results = static_cast<std::ptrdiff_t>(call.results);
  Vars found = (*call.pull)(in, {p.outs.begin() + results, p.outs.end()}, {p.gs.begin(), p.gs.begin() + results});
  for (int i = 0; i < p.count; ++i) p.gin[i] = std::move(found[static_cast<size_t>(i)]);
}

// The derivatives of all examples at once: that of one, traced, and its calls made for all.
Pull batched_pull(const std::shared_ptr<const Pull>& pull, const std::vector<bool>& batched, int64_t size) {
  return [pull, batched, size](const Vars& in, const Vars& left, const Vars& gs) {
    std::vector<Example> examples;
    for (size_t i = 0; i < in.size(); ++i) examples.push_back({in[i], batched[i]});
    for (const Var& x : left) examples.push_back({x, true});
    for (const Var& g : gs)
      if (g) examples.push_back({g, true});
    std::vector<Spec> specs;
    for (const Example& x : examples) {
      Dims shape;
      for (int i = x.batched; i < x.value.shape().size(); ++i) shape.push_back(x.value.shape()[i]);
      specs.push_back({shape, x.value.dtype()});
    }
    std::vector<bool> found(in.size());
    const auto of_one = [&](const Vars& all) {
      const auto begin = all.begin(), middle = begin + static_cast<std::ptrdiff_t>(in.size());
      auto next = middle + static_cast<std::ptrdiff_t>(left.size());
      Vars each(gs.size()), out;
      for (size_t i = 0; i < gs.size(); ++i)
        if (gs[i]) each[i] = *next++;
      const Vars made = (*pull)({begin, middle}, {middle, middle + static_cast<std::ptrdiff_t>(left.size())}, each);
      for (size_t i = 0; i < made.size(); ++i)
        if (made[i]) found[i] = true, out.push_back(made[i]);
      return out;
    };
    const auto body = trace_nested(of_one, specs, recording());
    const std::vector<Example> made = replay(*body, examples, size);
    Vars out(in.size());
    auto next = made.begin();
    for (size_t i = 0; i < in.size(); ++i) {
      if (!found[i]) continue;
      out[i] = next->batched ? next->value : broadcast_to(next->value, with_first(size, next->value.shape()));
      ++next;
    }
    return out;
  };
}

Vars batch_custom(const BatchedCall& b) {
  const LoopAttrs& call = b.attrs.as<LoopAttrs>();
  LoopAttrs many = call;
  many.body = batched_body(*call.body, b.batched, b.size);
  many.pull = std::make_shared<const Pull>(batched_pull(call.pull, b.batched, b.size));
  return apply_all(kCustom, b.in, many);
}

}  // namespace

constexpr Primitive kCustom = primitive("custom", infer_loop)
                                  .vjp(pull_custom, kReadsAll)
                                  .batch(batch_custom)
                                  .run(run_loop)
                                  .recorded_as(the_same, past_of);

Vars call_custom(const NestedPtr& body, const Vars& in, int64_t results, Pull pull) {
  LoopAttrs attrs{body, 1};
  attrs.results = results;
  attrs.pull = std::make_shared<const Pull>(std::move(pull));
  Vars out = apply_all(kCustom, in, attrs);
  out.resize(static_cast<size_t>(results));
  return out;
}

Vars remember_custom(const Vars& in, const Vars& outs, int64_t results, Pull pull) {
  LoopAttrs attrs{nullptr, 1};
  attrs.results = results;
  attrs.pull = std::make_shared<const Pull>(std::move(pull));
  Vars out = remember_all(kCustom, in, attrs, outs);
  out.resize(static_cast<size_t>(results));
  return out;
}

}  // namespace fallline
