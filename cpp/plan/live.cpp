// Which steps does a plan need?  Those that its outputs depend on, each once; and of a body only what somebody reads.
#include <algorithm>
#include <unordered_map>

#include "plan/nested.h"
#include "plan/passes.h"

namespace fallline {
namespace {

std::vector<Graph::Step> live_steps(const std::vector<Graph::Step>& steps, std::vector<Graph::Value>& values,
                                    const std::vector<int>& outputs);

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

std::vector<Graph::Step> live_steps(const std::vector<Graph::Step>& steps, std::vector<Graph::Value>& values,
                                    const std::vector<int>& outputs) {
  std::vector<bool> needed = needed_by({}, values.size(), outputs);
  std::vector<Graph::Step> live;
  for (auto at = steps.rbegin(); at != steps.rend(); ++at) {
    const auto is_needed = [&](int value) { return needed[static_cast<size_t>(value)]; };
    if (std::none_of(at->outs.begin(), at->outs.end(), is_needed)) continue;
    Graph::Step step = *at;
    if (const LoopAttrs* const loop = loop_of(*at)) {
      std::vector<size_t> kept;
      step.outs.clear();
      for (size_t i = 0; i < at->outs.size(); ++i) {
        if (i >= static_cast<size_t>(loop->body->carries) && !is_needed(at->outs[i])) continue;
        kept.push_back(i);
        step.outs.push_back(at->outs[i]);
      }
      step.attrs = LoopAttrs{trimmed(*loop->body, kept, step.in), loop->length};
    }
    for (int value : step.in) needed[static_cast<size_t>(value)] = true;
    live.push_back(std::move(step));
  }
  std::reverse(live.begin(), live.end());
  return live;
}

size_t hash_of(const Graph::Step& step) {
  size_t hash = std::hash<const void*>()(step.primitive) ^ Attrs(step.attrs).hash();
  for (int value : step.in) hash = 1000003 * hash + static_cast<size_t>(value);
  return hash;
}

bool compute_the_same(const Graph::Step& a, const Graph::Step& b) {
  return a.primitive == b.primitive && a.in == b.in && Attrs(a.attrs) == Attrs(b.attrs);
}

}  // namespace

void remove_unread(Schedule& schedule) {
  schedule.steps = live_steps(schedule.steps, schedule.values, schedule.outputs);
}

void remove_repeated(Schedule& schedule) {
  std::vector<int> same(schedule.values.size());  // for every value the one to read instead
  for (size_t i = 0; i < same.size(); ++i) same[i] = static_cast<int>(i);
  const auto rename = [&](std::vector<int>& values) {
    for (int& value : values) value = same[static_cast<size_t>(value)];
  };
  std::unordered_multimap<size_t, const Graph::Step*> seen;
  std::vector<Graph::Step> kept;
  kept.reserve(schedule.steps.size());
  for (Graph::Step& step : schedule.steps) {
    rename(step.in);
    const size_t hash = hash_of(step);
    const auto [begin, end] = seen.equal_range(hash);
    const auto twin = std::find_if(begin, end, [&](const auto& at) { return compute_the_same(*at.second, step); });
    if (twin != end) {
      for (size_t i = 0; i < step.outs.size(); ++i) same[static_cast<size_t>(step.outs[i])] = twin->second->outs[i];
    } else {
      kept.push_back(std::move(step));
      seen.emplace(hash, &kept.back());
    }
  }
  schedule.steps = std::move(kept);
  rename(schedule.outputs);
}

}  // namespace fallline
