// How does a body compute many examples at once?  Its calls one after the other, each for all of them.
#include <algorithm>

#include "primitives/batch.h"
#include "plan/nested.h"

namespace fallline {
namespace {

// The number of the last step that reads each value: outputs stay, and what nobody reads has none.
std::vector<int> last_readers(const Nested& nested) {
  const Graph& graph = *nested.graph;
  std::vector<int> last(graph.values.size(), -1);
  for (int value : nested.outputs) last[static_cast<size_t>(value)] = INT32_MAX;
  for (size_t at = graph.steps.size(); at-- > 0;) {
    const Graph::Step& step = graph.steps[at];
    const auto is_read = [&](int value) { return last[static_cast<size_t>(value)] >= 0; };
    if (std::none_of(step.outs.begin(), step.outs.end(), is_read)) continue;
    for (int value : step.in) {
      int& reader = last[static_cast<size_t>(value)];
      reader = std::max(reader, static_cast<int>(at));
    }
  }
  return last;
}

Var swapped(const Var& x) {  // the first two axes
  Dims order = all_axes(x);
  std::swap(order[0], order[1]);
  return permute(x, order);
}

}  // namespace

std::vector<Example> replay(const Nested& nested, const std::vector<Example>& in, int64_t size) {
  const Graph& graph = *nested.graph;
  std::vector<Example> values(graph.values.size());
  for (size_t i = 0; i < in.size(); ++i) values[static_cast<size_t>(graph.inputs[i])] = in[i];
  const auto at = [&](int place) -> Example& {
    Example& x = values[static_cast<size_t>(place)];
    if (!x.value) x.value = Var(graph.values[static_cast<size_t>(place)].constant);
    return x;
  };
  const std::vector<int> last = last_readers(nested);
  for (size_t number = 0; number < graph.steps.size(); ++number) {
    const Graph::Step& step = graph.steps[number];
    if (std::all_of(step.outs.begin(), step.outs.end(), [&](int v) { return last[static_cast<size_t>(v)] < 0; }))
      continue;
    Vars inputs;
    std::vector<bool> batched;
    for (size_t i = 0; i < step.in.size(); ++i) {
      const Example& x = at(step.in[i]);
      inputs.push_back(!step.recorded.empty() && step.recorded[i] ? x.value : detach(x.value));
      batched.push_back(x.batched);
    }
    const Origin place(step.source);
    Vars outs = apply_batched({*step.primitive, inputs, batched, step.attrs, size});
    const bool any = std::find(batched.begin(), batched.end(), true) != batched.end();
    for (size_t i = 0; i < step.outs.size(); ++i) values[static_cast<size_t>(step.outs[i])] = {std::move(outs[i]), any};
    for (int value : step.in)
      if (last[static_cast<size_t>(value)] == static_cast<int>(number)) values[static_cast<size_t>(value)] = {};
  }
  std::vector<Example> out;
  for (size_t i = 0; i < nested.outputs.size(); ++i) {
    const Example& y = at(nested.outputs[i]);
    out.push_back({nested.recorded[i] ? y.value : detach(y.value), y.batched});
  }
  return out;
}

// The same body with inputs for all examples where they are `batched`. Its carries and results all are.
NestedPtr batched_body(const Nested& body, const std::vector<bool>& batched, int64_t size) {
  const auto key = std::make_tuple(batched, size);
  {
    const std::lock_guard<std::mutex> lock(body.cache->mutex);
    if (const auto at = body.cache->batched.find(key); at != body.cache->batched.end()) return at->second;
  }
  std::vector<Spec> specs;
  for (size_t i = 0; i < body.input_count(); ++i) {
    const Layout& one = body.input(i);
    specs.push_back({batched[i] ? with_first(size, one.shape) : one.shape, one.dtype});
  }
  const auto run = [&](const Vars& in) {
    std::vector<Example> examples;
    for (size_t i = 0; i < in.size(); ++i) examples.push_back({in[i], batched[i]});
    Vars out;
    for (const Example& y : replay(body, examples, size))
      out.push_back(y.batched ? y.value : broadcast_to(y.value, with_first(size, y.value.shape())));
    return out;
  };
  const bool recorded = std::find(body.recorded.begin(), body.recorded.end(), true) != body.recorded.end();
  const NoRecord record(recorded);
  const auto made = trace_nested(run, specs, recorded);
  made->carries = body.carries;
  made->rows = body.rows;
  made->once = body.once;
  made->reverse = body.reverse;
  made->gathers = body.gathers;
  const std::lock_guard<std::mutex> lock(body.cache->mutex);
  return body.cache->batched.try_emplace(key, made).first->second;
}

Vars batch_nested(const BatchedCall& b) {
  const LoopAttrs& loop = b.attrs.as<LoopAttrs>();
  const Nested& body = *loop.body;
  const size_t carries = static_cast<size_t>(body.carries), same = carries + static_cast<size_t>(body.rows);
  std::vector<bool> batched = b.batched;
  std::fill(batched.begin(), batched.begin() + body.carries, true);
  const NestedPtr made = batched_body(body, batched, b.size);
  Vars in;
  for (int i = 0; i < b.count(); ++i) {
    const size_t at = static_cast<size_t>(i);
    in.push_back(at < carries ? spread(b, i) : at < same && b.has(i) ? swapped(b[i]) : b[i]);
  }
  Vars out = call_nested(made, in, loop.length);
  for (size_t i = carries; i < out.size() && !body.once; ++i) out[i] = swapped(out[i]);
  return out;
}

}  // namespace fallline
