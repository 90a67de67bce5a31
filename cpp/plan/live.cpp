// Which steps does a plan need?
#include "plan/live.h"

#include <algorithm>
#include <set>

#include "plan/nested.h"

namespace fallline {
namespace {

std::vector<bool> needed_by(const std::vector<Graph::Step>& steps, size_t values, const std::vector<int>& outputs) {
  std::vector<bool> needed(values);
  for (int value : outputs) needed[static_cast<size_t>(value)] = true;
  for (const Graph::Step& step : steps)
    for (int value : step.in) needed[static_cast<size_t>(value)] = true;
  return needed;
}

// The same body with the outputs at `kept` (carries first), and without rows and lasting inputs that it does not read
// for them. `in` loses these too.
NestedPtr trimmed(const Nested& body, const std::vector<size_t>& kept, std::vector<int>& in) {
  auto graph = std::make_shared<Graph>(*body.graph);
  auto made = std::make_shared<Nested>();
  for (size_t i : kept) made->outputs.push_back(body.outputs[i]);
  graph->steps = live_steps(body.graph->steps, graph->values, made->outputs);
  const std::vector<bool> needed = needed_by(graph->steps, graph->values.size(), made->outputs);
  const std::vector<int> all = std::move(in);
  in.clear();
  graph->inputs.clear();
  made->carries = body.carries;
  for (size_t i = 0; i < all.size(); ++i) {
    const int value = body.graph->inputs[i];
    const bool carry = i < static_cast<size_t>(body.carries);
    if (!carry && !needed[static_cast<size_t>(value)]) continue;
    graph->inputs.push_back(value);
    in.push_back(all[i]);
    made->rows += !carry && i < static_cast<size_t>(body.carries + body.rows);
  }
  made->graph = std::move(graph);
  made->once = body.once;
  made->reverse = body.reverse;
  return made;
}

// Gives the steps that take results out of `step` the numbers and places that they have in its new body.
void renumber(const Graph::Step& step, const std::vector<size_t>& kept, std::vector<Graph::Step>& later,
              std::vector<Graph::Value>& values) {
  const std::vector<int64_t> offsets = result_offsets(*step.nested, step.attrs.integer);
  values[static_cast<size_t>(step.out)].layout.shape = {offsets.back()};
  for (Graph::Step& reader : later) {
    if (reader.primitive != &result_primitive() || reader.in[0] != step.out) continue;
    const auto at = std::find(kept.begin(), kept.end(), static_cast<size_t>(reader.attrs.integer)) - kept.begin();
    reader.attrs.integer = at;
    const int64_t size = static_cast<int64_t>(size_of(reader.attrs.dtype));
    reader.attrs.starts = {offsets[static_cast<size_t>(at)] / size};
    values[static_cast<size_t>(reader.out)].layout.offset = reader.attrs.starts[0];
  }
}

}  // namespace

std::vector<Graph::Step> live_steps(const std::vector<Graph::Step>& steps, std::vector<Graph::Value>& values,
                                    const std::vector<int>& outputs) {
  std::vector<bool> needed = needed_by({}, values.size(), outputs);
  std::vector<Graph::Step> live;
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {
    if (!needed[static_cast<size_t>(at->out)]) continue;
    Graph::Step step = *at;
    if (step.nested) {
      std::set<size_t> read;
      for (int i = 0; i < step.nested->carries; ++i) read.insert(static_cast<size_t>(i));
      for (const Graph::Step& reader : live)
        if (reader.primitive == &result_primitive() && reader.in[0] == step.out)
          read.insert(static_cast<size_t>(reader.attrs.integer));
      const std::vector<size_t> kept(read.begin(), read.end());
      step.nested = trimmed(*step.nested, kept, step.in);
      renumber(step, kept, live, values);
    }
    for (int value : step.in) needed[static_cast<size_t>(value)] = true;
    live.push_back(std::move(step));
  }
  std::reverse(live.begin(), live.end());
  return live;
}

}  // namespace fallline
