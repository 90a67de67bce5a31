// How is a traced graph run again and again?
#include "plan/plan.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <sstream>

#include "plan/arena.h"
#include "plan/loop.h"
#include "plan/passes.h"
#include "simd/flush.h"

namespace fallline {
namespace {

std::atomic<int64_t> plans_built{0}, plans_run{0};

int64_t slot_bytes(const Array& array) { return padded(array.bytes()); }

}  // namespace

Plan::~Plan() = default;

Plan::Plan(const Graph& graph, const std::vector<int>& outputs, const std::vector<Stream>& streams, bool own_arena,
           int roomy, bool roomy_outputs)
    : inputs_(graph.inputs), outputs_(outputs), roomy_(roomy), roomy_outputs_(roomy_outputs) {
  Schedule schedule{graph.steps, graph.values, outputs_};
  for (const Pass& pass : kPasses) {
    if (checked_ && pass.run != remove_unread) continue;
    const size_t before = schedule.steps.size();
    pass.run(schedule);
    if (schedule.steps.size() < before)
      taken_away_ +=
          (taken_away_.empty() ? "" : ", ") + std::to_string(before - schedule.steps.size()) + " " + pass.took;
  }
  plans_built.fetch_add(1, std::memory_order_relaxed);
  place(schedule.steps, schedule.values, streams);
  if (!own_arena) return;
  arena_ = Buffer::allocate(static_cast<size_t>(std::max<int64_t>(arena_bytes_, 1)));
  attach(arena_->data());
}

void Plan::place(const std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values,
                 const std::vector<Stream>& streams) {
  find_roots(steps, values);
  std::vector<Graph::Step> computed;
  for (const Graph::Step& step : steps)
    if (values[static_cast<size_t>(step.out())].layout.alias < 0) computed.push_back(step);
  streamed_ =
      stream_last(computed, values, outputs_, streams, [this](int value) { return static_cast<int>(root_of(value)); });
  std::vector<Neighbours> groups = find_groups(computed, arrays_, roots_);
  if (checked_) {
    groups.clear();
    for (size_t i = 0; i < computed.size(); ++i) groups.push_back({i, i + 1});
  }
  make_loops(computed);
  lay_out(computed, find_turns(groups, computed, arrays_));
  for (int input : inputs_) views_.push_back(views_of(input));
  find_own_outputs(Donation(computed, groups, arrays_, roots_));
  for (const Neighbours& group : groups) {
    const Graph::Step* first = computed.data() + group.begin;
    steps_.push_back(can_join(*first, arrays_) ? ready_group(first, computed.data() + group.end) : ready(*first));
    steps_.back().source = first->source;
  }
}

std::vector<int> Plan::views_of(int root) const {
  std::vector<int> found;
  for (size_t v = 0; v < arrays_.size(); ++v)
    if (roots_[v].value == root) found.push_back(static_cast<int>(v));
  return found;
}

// Outputs that fill memory which no other output lies in.
void Plan::find_own_outputs(const Donation& donation) {
  const auto outputs_in = [this](size_t root) {
    return std::count_if(outputs_.begin(), outputs_.end(), [&](int output) { return root_of(output) == root; });
  };
  for (int output : outputs_) {
    const Array& array = arrays_[static_cast<size_t>(output)];
    const size_t root = root_of(output);
    const bool own = outputs_in(root) == 1 && offset_[root] >= 0 && array.bytes() == arrays_[root].bytes();
    own_bytes_.push_back(own ? slot_bytes(array) : 0);
    replaces_.emplace_back();
    for (int input : inputs_)
      replaces_.back().push_back(own && !outputs_in(static_cast<size_t>(input)) &&
                                 donation.allows(static_cast<int>(root), input));
  }
}

void Plan::place_output(int i, std::byte* memory) {
  const int root = static_cast<int>(root_of(outputs_[static_cast<size_t>(i)]));
  std::byte* const begin = memory ? memory : arena_->data() + offset_[static_cast<size_t>(root)];
  for (int value : views_of(root)) {
    const size_t v = static_cast<size_t>(value);
    arrays_[v].data = begin + roots_[v].offset;
  }
}

void Plan::attach(std::byte* arena) {
  for (size_t i = 0; i < arrays_.size(); ++i) {
    Array& array = arrays_[i];
    const Root root = roots_[i];
    const size_t r = static_cast<size_t>(root.value);
    if (r != i && arrays_[r].data) {
      array.data = arrays_[r].data + root.offset;
    } else if (r == i && offset_[i] >= 0) {
      array.data = arena + offset_[i];
    }
  }
  for (const auto& [value, inner] : loops_) inner.loop->attach(arena + inner.offset);
}

bool Plan::is_input(int i) const {
  const int root = roots_[static_cast<size_t>(outputs_[static_cast<size_t>(i)])].value;
  return std::find(inputs_.begin(), inputs_.end(), root) != inputs_.end();
}

Plan::Step Plan::ready(const Graph::Step& step) const {
  Step out;
  out.primitive = step.primitive;
  out.attrs = step.attrs;
  for (int value : step.in) out.in.push_back(&arrays_[static_cast<size_t>(value)]);
  for (int value : step.outs) out.outs.push_back(&arrays_[static_cast<size_t>(value)]);
  const auto inner = loops_.find(step.out());
  if (inner != loops_.end()) {
    out.loop = inner->second.loop.get();
  } else if (step.primitive->prepare) {
    out.call = step.primitive->prepare({out.in.data(), static_cast<int>(out.in.size())}, *out.outs[0], step.attrs);
  }
  return out;
}

void Plan::make_loops(const std::vector<Graph::Step>& steps) {
  for (const Graph::Step& step : steps) {
    const LoopAttrs* const loop = loop_of(step);
    if (!loop) continue;
    std::vector<int64_t> copied;
    for (int value : step.in) {
      const Array& x = arrays_[static_cast<size_t>(value)];
      copied.push_back(x.row_major() ? 0 : x.bytes());
    }
    loops_[step.out()] = {std::make_unique<Loop>(*loop->body, std::move(copied)), 0};
  }
}

// Whether whole registers may be read, and written, to the end of a value.
bool Plan::has_room(int value) const {
  const int root = static_cast<int>(root_of(value));
  const auto is_here = [&](int output) { return static_cast<int>(root_of(output)) == root; };
  if (!roomy_outputs_ && std::any_of(outputs_.begin(), outputs_.end(), is_here)) return false;
  return offset_[static_cast<size_t>(root)] >= 0 ||
         std::find(inputs_.begin(), inputs_.begin() + roomy_, root) != inputs_.begin() + roomy_;
}

// What lives in the group alone takes turns in a few blocks.
Plan::Step Plan::ready_group(const Graph::Step* begin, const Graph::Step* end) const {
  const Array& first = arrays_[static_cast<size_t>(begin->out())];
  auto group = std::make_unique<Group>(first.size(), first.dtype);
  std::map<size_t, const Graph::Step*> last_read;  // of roots
  for (const Graph::Step* step = begin; step != end; ++step)
    for (int value : step->in) last_read[root_of(value)] = step;
  std::map<size_t, int> slot;
  std::vector<bool> taken;
  for (const Graph::Step* step = begin; step != end; ++step) {
    Group::Step ready{step->primitive,
                      step->primitive->flat(first.dtype),
                      {},
                      0,
                      {&arrays_[static_cast<size_t>(step->out())]},
                      false};
    if (offset_[static_cast<size_t>(step->out())] == kInGroup) {
      const auto free = std::find(taken.begin(), taken.end(), false);
      ready.out.slot = static_cast<int>(free - taken.begin());
      if (free == taken.end()) taken.push_back(false);
      taken[static_cast<size_t>(ready.out.slot)] = true;
      slot[static_cast<size_t>(step->out())] = ready.out.slot;
    }
    ready.padded = ready.out.slot >= 0 || has_room(step->out());
    for (int value : step->in) {
      const Array& x = arrays_[static_cast<size_t>(value)];
      const auto in_slot = slot.find(root_of(value));
      const bool repeats = step->primitive->repeats >> ready.count & 1 && x.one_element();
      ready.in[static_cast<size_t>(ready.count++)] = {&x, in_slot == slot.end() ? -1 : in_slot->second,
                                                      repeats ? 0 : 1};
      ready.padded &= repeats || in_slot != slot.end() || has_room(value);
    }
    for (int value : step->in) {
      const auto in_slot = slot.find(root_of(value));
      if (in_slot != slot.end() && last_read[root_of(value)] == step)
        taken[static_cast<size_t>(in_slot->second)] = false;
    }
    group->add(std::move(ready));
  }
  Step out;
  out.group = std::move(group);
  return out;
}

// Every value as an array still without memory, and where the memory of a view begins.
void Plan::find_roots(const std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Graph::Value& value = values[i];
    roots_.push_back({static_cast<int>(i), 0});
    arrays_.push_back(value.kind == Graph::Kind::kConstant
                          ? value.constant
                          : Array::placeholder(value.layout.shape, value.layout.dtype));
    arrays_.back().strides = value.layout.strides;
  }
  for (const Graph::Step& step : steps) {
    const Layout& layout = values[static_cast<size_t>(step.out())].layout;
    if (layout.alias < 0) continue;
    const Root from = roots_[static_cast<size_t>(step.in[static_cast<size_t>(layout.alias)])];
    roots_[static_cast<size_t>(step.out())] = {
        from.value, from.offset + layout.offset * static_cast<int64_t>(size_of(layout.dtype))};
  }
}

// Finds the place in the arena of every value that a step computes. A root lives from the group that computes it to the
// last one that reads any view of it; an output lives on. What no other group reads needs no place.
void Plan::lay_out(const std::vector<Graph::Step>& steps, const std::vector<Neighbours>& groups) {
  std::vector<int> last_use(arrays_.size(), -1);
  for (size_t g = 0; g < groups.size(); ++g)
    for (size_t s = groups[g].begin; s < groups[g].end; ++s)
      for (int value : steps[s].in) last_use[root_of(value)] = static_cast<int>(g);
  for (int value : outputs_) last_use[root_of(value)] = INT32_MAX;
  const auto is_streamed = [&](int value) {
    return std::find(streamed_.begin(), streamed_.end(), value) != streamed_.end();
  };

  Arena arena;
  offset_.assign(arrays_.size(), kNone);
  for (size_t g = 0; g < groups.size(); ++g) {
    const auto [begin, end] = groups[g];
    for (size_t s = begin; s < end; ++s) {
      for (int value : steps[s].outs) {
        const size_t out = static_cast<size_t>(value);
        offset_[out] = is_streamed(value)                     ? kStreamed
                       : last_use[out] == static_cast<int>(g) ? kInGroup
                                                              : arena.take(slot_bytes(arrays_[out]));
      }
      const auto inner = loops_.find(steps[s].out());
      if (inner == loops_.end()) continue;
      const int64_t bytes = inner->second.loop->memory();
      inner->second.offset = arena.take(bytes);
      arena.give(inner->second.offset, bytes);  // for whoever comes next
    }
    for (size_t s = begin; s < end; ++s) {
      for (int value : steps[s].outs) {  // a carry that nobody reads
        const size_t out = static_cast<size_t>(value);
        if (last_use[out] < 0 && offset_[out] >= 0) arena.give(offset_[out], slot_bytes(arrays_[out]));
      }
      for (int value : steps[s].in) {
        const size_t root = root_of(value);
        if (last_use[root] != static_cast<int>(g) || offset_[root] < 0) continue;
        arena.give(offset_[root], slot_bytes(arrays_[root]));
        last_use[root] = -1;  // given back once, however often it is read
      }
    }
  }
  arena_bytes_ = arena.end() + kRegisterBytes;  // whole registers may be read at the end
}

void Plan::bind(int i, void* data) {
  for (int value : views_[static_cast<size_t>(i)]) {
    const size_t v = static_cast<size_t>(value);
    arrays_[v].data = static_cast<std::byte*>(data) + roots_[v].offset;
  }
}

void Plan::Step::run() const {
  if (group) return group->run();
  if (call) return call();
  const Inputs from{in.data(), static_cast<int>(in.size())};
  if (loop) return loop->run(in.data(), outs.data(), attrs.as<LoopAttrs>().length);
  if (reader.read) return primitive->tiles(from, reader);
  if (primitive->eval_all) return primitive->eval_all(from, {outs.data(), static_cast<int>(outs.size())}, attrs);
  primitive->eval(from, *outs[0], attrs);
}

void Plan::Step::check() const {
  if (reader.read) return;  // the result is spent
  if (!group) {
    check_made(primitive->name, in.data(), static_cast<int>(in.size()), outs.data(), static_cast<int>(outs.size()),
               source);
    return;
  }
  for (const Group::Step& step : group->steps()) {
    const Array* given[Group::kMostInputs];
    for (int i = 0; i < step.count; ++i) given[i] = step.in[static_cast<size_t>(i)].array;
    check_made(step.primitive->name, given, step.count, &step.out.array, 1, source);
  }
}

void Plan::set_reader(int output, const TileReader& reader) {
  const Array* const value = &arrays_[static_cast<size_t>(streamed_[static_cast<size_t>(output)])];
  for (Step& step : steps_)
    if (!step.outs.empty() && step.outs[0] == value) step.reader = reader, step.call = nullptr;
}

Plan::Counts Plan::counts() { return {plans_built.load(), plans_run.load()}; }

void Plan::count_runs(int64_t runs) { plans_run.fetch_add(runs, std::memory_order_relaxed); }

void Plan::run() {
  FlushToZero scope;
  count_runs(1);
  run_steps();
}

std::vector<double> Plan::profile(int runs) {
  using Clock = std::chrono::steady_clock;
  FlushToZero scope;
  std::vector<double> least(steps_.size(), 1e9);
  for (int run = 0; run < runs; ++run) {
    for (size_t i = 0; i < steps_.size(); ++i) {
      const auto start = Clock::now();
      steps_[i].run();
      least[i] = std::min(least[i], std::chrono::duration<double>(Clock::now() - start).count());
    }
  }
  return least;
}

std::string Plan::describe_step(int i) const {
  const Step& step = steps_[static_cast<size_t>(i)];
  const Array* out = step.outs.empty() ? nullptr : step.outs[0];
  std::ostringstream text;
  const auto named = [&](const char* name, size_t count, const auto& array) {
    text << name << "(";
    for (size_t k = 0; k < count; ++k) text << (k ? ", " : "") << to_string(array(k)->shape);
    text << ")";
  };
  if (!step.group) {
    named(step.primitive->name, step.in.size(), [&](size_t k) { return step.in[k]; });
    if (const std::string parameters = Attrs(step.attrs).text(); !parameters.empty() && !step.loop)
      text << " [" << parameters << "]";
  } else {
    const std::vector<Group::Step>& parts = step.group->steps();
    out = parts.back().out.array;
    if (parts.size() == 1) {
      named(parts[0].primitive->name, static_cast<size_t>(parts[0].count),
            [&](size_t k) { return parts[0].in[k].array; });
    } else {
      for (const Group::Step& part : parts) text << (&part == &parts[0] ? "group(" : ", ") << part.primitive->name;
      text << ")";
    }
  }
  text << " -> ";
  if (step.loop) {
    text << step.attrs.as<LoopAttrs>().length << " x " << step.loop->plan().step_count() << " steps";
  } else {
    text << (step.reader.read ? "update of " : "") << name_of(out->dtype) << " " << to_string(out->shape)
         << (step.reader.read ? ", tile by tile" : "");
  }
  return text.str();
}

std::string Plan::describe() const {
  std::string text = "Plan of " + std::to_string(steps_.size()) + " steps, arena " + std::to_string(arena_bytes_) +
                     " bytes" + (taken_away_.empty() ? "" : "; taken away: " + taken_away_) + "\n";
  for (int i = 0; i < step_count(); ++i) text += "  " + describe_step(i) + "\n";
  return text;
}

}  // namespace fallline
