// Which neighbouring steps of a plan have one kernel for all of them?  The rows say so, by roles.
#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <unordered_set>

#include "plan/passes.h"

namespace fallline {
namespace {

using Step = Graph::Step;

bool is(const Step& step, Role role) { return step.primitive->role == role; }
// What the step becomes behind one of that role, or null.
const Primitive* behind(const Step& step, Role role) {
  const Merged& merged = step.primitive->before;
  return merged.role == role && (!merged.when || merged.when(step.attrs)) ? merged.row : nullptr;
}

template <class Gone>
void drop(std::vector<Step>& steps, Gone gone) {
  steps.erase(std::remove_if(steps.begin(), steps.end(), gone), steps.end());
}

// The steps that read each value.
class Readers {
 public:
  Readers(std::vector<Step>& steps, const std::vector<int>& outputs) : outputs_(outputs) {
    for (Step& step : steps) {
      for (size_t i = 0; i < step.in.size(); ++i) {
        if (std::find(step.in.begin(), step.in.begin() + static_cast<std::ptrdiff_t>(i), step.in[i]) ==
            step.in.begin() + static_cast<std::ptrdiff_t>(i))
          readers_[step.in[i]].push_back(&step);
      }
    }
  }
  const std::vector<Step*>& of(int value) { return readers_[value]; }
  bool only(int value) { return of(value).size() == 1 && !is_output(value); }  // one step, and nobody outside
  bool is_output(int value) const { return std::find(outputs_.begin(), outputs_.end(), value) != outputs_.end(); }

 private:
  const std::vector<int>& outputs_;
  std::unordered_map<int, std::vector<Step*>> readers_;
};

// One relu and those who read it, if they are what can be merged.
struct Pooled {
  std::vector<Step*> pools;                        // pool(y)
  std::vector<std::pair<Step*, Step*>> gradients;  // pool's gradient of (g, y) and, of that, relu's of (gy, y, y)

  bool find(const Step& relu, Readers& readers) {
    size_t pulls = 0;
    for (Step* reader : readers.of(relu.out())) {
      if (behind(*reader, Role::kRelu)) {
        if (reader->in.size() == 1) {
          pools.push_back(reader);
          continue;
        }
        const auto& next = readers.of(reader->out());
        if (reader->in[0] == relu.out() || next.size() != 1 || readers.is_output(reader->out()) ||
            !is(*next[0], Role::kReluGrad))
          return false;
        if (next[0]->in[1] != relu.out() || next[0]->in[2] != relu.out()) return false;
        gradients.emplace_back(reader, next[0]);
      } else if (is(*reader, Role::kReluGrad) && reader->in[0] != relu.out()) {
        ++pulls;
      } else {
        return false;
      }
    }
    return !pools.empty() && pulls == gradients.size();
  }
};

}  // namespace

void merge_before_pooling(Schedule& schedule) {
  Readers readers(schedule.steps, schedule.outputs);
  std::vector<const Step*> gone;
  for (Step& relu : schedule.steps) {
    Pooled found;
    if (!is(relu, Role::kRelu) || readers.is_output(relu.out()) || !found.find(relu, readers)) continue;
    gone.push_back(&relu);
    for (Step* pool : found.pools) {
      pool->primitive = behind(*pool, Role::kRelu);
      pool->in = {relu.in[0]};
    }
    for (auto& [pool, pull] : found.gradients) {
      gone.push_back(pool);
      pull->primitive = behind(*pool, Role::kRelu);
      pull->in = {pool->in[0], relu.in[0]};
      pull->attrs = pool->attrs;
    }
  }
  drop(schedule.steps, [&](const Step& step) { return std::find(gone.begin(), gone.end(), &step) != gone.end(); });
}

// x + (-y) is x - y.
void merge_negations(Schedule& schedule) {
  std::unordered_map<int, int> negated;  // by the value that holds -y: y
  for (Step& step : schedule.steps) {
    if (is(step, Role::kNegative)) negated[step.out()] = step.in[0];
    const Primitive* const difference = negated.empty() ? nullptr : behind(step, Role::kNegative);
    if (!difference) continue;
    const auto left = negated.find(step.in[0]), right = negated.find(step.in[1]);
    if (right != negated.end()) {
      step.in[1] = right->second;
    } else if (left != negated.end()) {
      step.in = {step.in[1], left->second};
    } else {
      continue;
    }
    step.primitive = difference;
  }
  if (negated.empty()) return;
  Readers readers(schedule.steps, schedule.outputs);
  drop(schedule.steps, [&](const Step& step) {
    return negated.count(step.out()) && readers.of(step.out()).empty() && !readers.is_output(step.out());
  });
}

// Two parts placed among zeros, and added; or some that are added already and one more, for that is the order of sums.
// What a function that takes its argument apart pulls back is of this kind.
void merge_sums(Schedule& schedule) {
  Readers readers(schedule.steps, schedule.outputs);
  std::unordered_map<int, Step*> placed;  // by the value that they make
  std::unordered_set<int> gone;
  for (Step& step : schedule.steps) {
    if (step.primitive->summed.row) placed[step.out()] = &step;
    if (!is(step, Role::kAdd) || step.in[0] == step.in[1]) continue;
    auto left = placed.find(step.in[0]), right = placed.find(step.in[1]);
    if (left == placed.end() || right == placed.end() || !readers.only(step.in[0]) || !readers.only(step.in[1]))
      continue;
    if (left->second->in.size() == 1) std::swap(left, right);
    const Step &first = *left->second, &last = *right->second;
    const Summed& summed = first.primitive->summed;
    OwnAttrs both;
    if (last.in.size() != 1 || last.primitive->summed.row != summed.row || !summed.join(first.attrs, last.attrs, both))
      continue;
    gone.insert({first.out(), last.out()});
    step.in = first.in;
    step.in.push_back(last.in[0]);
    step.attrs = both;
    step.primitive = summed.row;
    placed[step.out()] = &step;
  }
  drop(schedule.steps, [&](const Step& step) { return gone.count(step.out()) > 0; });
}

// While the sums are in registers: relu of a dense layer, and on the way back the product times relu's derivative.
void merge_ends(Schedule& schedule) {
  Readers readers(schedule.steps, schedule.outputs);
  std::unordered_map<int, const Step*> producers;
  std::unordered_set<int> gone;
  for (Step& step : schedule.steps) {
    if (step.primitive->after.row) producers[step.out()] = &step;
    const bool pulls = is(step, Role::kReluGrad);
    if (!is(step, Role::kRelu) && !(pulls && step.in[1] == step.in[2] && step.in[0] != step.in[1])) continue;
    const auto found = producers.find(step.in[0]);
    if (found == producers.end() || !readers.only(step.in[0])) continue;
    const Step& producer = *found->second;
    if (!is(step, producer.primitive->after.role)) continue;
    gone.insert(producer.out());
    const int given = step.in.back();
    step.in = producer.in;
    if (pulls) step.in.push_back(given);
    step.attrs = producer.attrs;
    step.primitive = producer.primitive->after.row;
  }
  drop(schedule.steps, [&](const Step& step) { return gone.count(step.out()) > 0; });
}

namespace {

// Moves what `value` depends on before place `at`, unless that is step `at` itself.
bool bring_forward(std::vector<Step>& steps, int value, size_t at) {
  std::unordered_set<int> wanted = {value};
  std::vector<bool> moves(steps.size());
  const auto makes_wanted = [&](const Step& step) {
    return std::any_of(step.outs.begin(), step.outs.end(), [&](int result) { return wanted.count(result) > 0; });
  };
  for (size_t i = steps.size(); i-- > at;) {
    if (!makes_wanted(steps[i])) continue;
    if (i == at) return false;
    moves[i] = true;
    wanted.insert(steps[i].in.begin(), steps[i].in.end());
  }
  std::vector<Step> before, after;
  for (size_t i = at; i < steps.size(); ++i) (moves[i] ? before : after).push_back(std::move(steps[i]));
  steps.resize(at);
  for (auto* part : {&before, &after}) std::move(part->begin(), part->end(), std::back_inserter(steps));
  return true;
}

}  // namespace

// The loss and its gradient at once, where the gradient that comes in does not depend on the loss.
void merge_pairs(Schedule& schedule) {
  std::vector<Step>& steps = schedule.steps;
  std::vector<Step> losses;
  for (const Step& step : steps)
    if (step.primitive->paired.row) losses.push_back(step);
  for (const Step& loss : losses) {
    const auto pull = std::find_if(steps.begin(), steps.end(), [&](const Step& step) {
      return step.primitive == loss.primitive->paired.other &&
             std::equal(loss.in.begin(), loss.in.end(), step.in.begin());
    });
    if (pull == steps.end()) continue;
    const Step gradient = *pull;
    const auto is_loss = [&](const Step& step) { return step.out() == loss.out(); };
    const auto at = std::find_if(steps.begin(), steps.end(), is_loss);
    if (!bring_forward(steps, gradient.in.back(), static_cast<size_t>(at - steps.begin()))) continue;
    Step& both = *std::find_if(steps.begin(), steps.end(), is_loss);
    both.primitive = loss.primitive->paired.row;
    both.in = gradient.in;
    both.outs.push_back(gradient.out());
    drop(steps, [&](const Step& step) { return step.out() == gradient.out(); });
  }
}

}  // namespace fallline
