// Which neighbouring steps of a plan have one kernel for all of them?
#include "plan/peephole.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "primitives/merged.h"

namespace fallline {
namespace {

using Step = Graph::Step;

bool name_is(const Step& step, std::string_view name) { return name == step.primitive->name; }
bool is(const Step& step, std::string_view name, size_t inputs) {
  return name_is(step, name) && step.in.size() == inputs;
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
  std::vector<Step*> pools;                        // max_pool2d(y)
  std::vector<std::pair<Step*, Step*>> gradients;  // max_pool2d_input(g, y) and, of that, relu(gy, y, y)

  bool find(const Step& relu, Readers& readers) {
    size_t pulls = 0;
    for (Step* reader : readers.of(relu.out)) {
      if (is(*reader, "max_pool2d", 1) && windows_lie_apart(reader->attrs)) {
        pools.push_back(reader);
      } else if (is(*reader, "max_pool2d_input", 2) && reader->in[0] != relu.out) {
        const auto& next = readers.of(reader->out);
        if (next.size() != 1 || readers.is_output(reader->out) || !is(*next[0], "relu", 3)) return false;
        if (next[0]->in[1] != relu.out || next[0]->in[2] != relu.out) return false;
        gradients.emplace_back(reader, next[0]);
      } else if (is(*reader, "relu", 3) && reader->in[0] != relu.out) {
        ++pulls;
      } else {
        return false;
      }
    }
    return !pools.empty() && pulls == gradients.size();
  }
};

void merge_relu_into_pooling(std::vector<Step>& steps, const std::vector<int>& outputs) {
  Readers readers(steps, outputs);
  std::vector<const Step*> gone;
  for (Step& relu : steps) {
    Pooled found;
    if (!is(relu, "relu", 1) || readers.is_output(relu.out) || !found.find(relu, readers)) continue;
    gone.push_back(&relu);
    for (Step* pool : found.pools) {
      pool->primitive = &relu_max_pool_primitive();
      pool->in = {relu.in[0]};
    }
    for (auto& [pool, pull] : found.gradients) {
      gone.push_back(pool);
      pull->primitive = &relu_max_pool_input_primitive();
      pull->in = {pool->in[0], relu.in[0]};
      pull->attrs = pool->attrs;
    }
  }
  const auto is_gone = [&](const Step& step) { return std::find(gone.begin(), gone.end(), &step) != gone.end(); };
  drop(steps, is_gone);
}

// x + (-y) is x - y.
void merge_negations(std::vector<Step>& steps, const std::vector<int>& outputs) {
  std::unordered_map<int, int> negated;  // by the value that holds -y: y
  for (Step& step : steps) {
    if (is(step, "negative", 1)) negated[step.out] = step.in[0];
    if (negated.empty() || !is(step, "add", 2)) continue;
    const auto left = negated.find(step.in[0]), right = negated.find(step.in[1]);
    if (right != negated.end()) {
      step.in[1] = right->second;
    } else if (left != negated.end()) {
      step.in = {step.in[1], left->second};
    } else {
      continue;
    }
    step.primitive = &subtract_primitive();
  }
  if (negated.empty()) return;
  Readers readers(steps, outputs);
  const auto unread = [&](const Step& step) {
    return negated.count(step.out) && readers.of(step.out).empty() && !readers.is_output(step.out);
  };
  drop(steps, unread);
}

// Two parts placed among zeros, and added; or some that are added already and one more, for that is the order of sums.
// What a function that takes its argument apart pulls back is of this kind.
void merge_unslices(std::vector<Step>& steps, const std::vector<int>& outputs) {
  Readers readers(steps, outputs);
  std::unordered_map<int, Step*> placed;  // by the value that they make
  std::unordered_set<int> gone;
  for (Step& step : steps) {
    if (name_is(step, "unslice")) placed[step.out] = &step;
    if (!is(step, "add", 2) || step.in[0] == step.in[1]) continue;
    auto left = placed.find(step.in[0]), right = placed.find(step.in[1]);
    if (left == placed.end() || right == placed.end() || !readers.only(step.in[0]) || !readers.only(step.in[1]))
      continue;
    if (left->second->in.size() == 1) std::swap(left, right);
    const Step &first = *left->second, &last = *right->second;
    if (last.in.size() != 1 || first.attrs.dims != last.attrs.dims ||
        first.attrs.starts.size() + last.attrs.starts.size() > kMaxDims)
      continue;
    gone.insert({first.out, last.out});
    Attrs attrs = first.attrs;
    for (int64_t start : last.attrs.starts) attrs.starts.push_back(start);
    for (int64_t by : last.attrs.steps) attrs.steps.push_back(by);
    step.in = first.in;
    step.in.push_back(last.in[0]);
    step.attrs = attrs;
    step.primitive = &unslices_primitive();
    placed[step.out] = &step;
  }
  drop(steps, [&](const Step& step) { return gone.count(step.out) > 0; });
}

// relu of a dense layer, and on the way back the product times its derivative, while the sums are in registers.
void merge_relu_into_products(std::vector<Step>& steps, const std::vector<int>& outputs) {
  Readers readers(steps, outputs);
  std::unordered_map<int, const Step*> products;
  std::unordered_set<int> gone;
  for (Step& step : steps) {
    if (is(step, "linear", 3) || is(step, "matmul", 2)) products[step.out] = &step;
    const bool forward = is(step, "relu", 1);
    if (!forward && !(is(step, "relu", 3) && step.in[1] == step.in[2] && step.in[0] != step.in[1])) continue;
    const auto found = products.find(step.in[0]);
    if (found == products.end() || !readers.only(step.in[0])) continue;
    const Step& product = *found->second;
    if (is(product, "linear", 3) != forward) continue;
    gone.insert(product.out);
    const int given = step.in.back();
    step.in = product.in;
    if (!forward) step.in.push_back(given);
    step.attrs = product.attrs;
    step.primitive = forward ? &linear_relu_primitive() : &matmul_relu_grad_primitive();
  }
  drop(steps, [&](const Step& step) { return gone.count(step.out) > 0; });
}

// Moves what `value` depends on before place `at`, unless that is step `at` itself.
bool bring_forward(std::vector<Step>& steps, int value, size_t at) {
  std::unordered_set<int> wanted = {value};
  std::vector<bool> moves(steps.size());
  const auto makes_wanted = [&](const Step& step) {
    return wanted.count(step.out) ||
           std::any_of(step.also.begin(), step.also.end(), [&](int result) { return wanted.count(result) > 0; });
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

// The loss and its gradient at once, where the gradient that comes in does not depend on the loss.
void merge_cross_entropies(std::vector<Step>& steps) {
  std::vector<Step> losses;
  for (const Step& step : steps)
    if (is(step, "cross_entropy", 2)) losses.push_back(step);
  for (const Step& loss : losses) {
    const auto pull = std::find_if(steps.begin(), steps.end(), [&](const Step& step) {
      return is(step, "cross_entropy_grad", 3) && step.in[0] == loss.in[0] && step.in[1] == loss.in[1];
    });
    if (pull == steps.end()) continue;
    const Step gradient = *pull;
    const auto is_loss = [&](const Step& step) { return step.out == loss.out; };
    const auto at = std::find_if(steps.begin(), steps.end(), is_loss);
    if (!bring_forward(steps, gradient.in[2], static_cast<size_t>(at - steps.begin()))) continue;
    Step& both = *std::find_if(steps.begin(), steps.end(), is_loss);
    both.primitive = &cross_entropy_and_grad_primitive();
    both.in = gradient.in;
    both.also = {gradient.out};
    drop(steps, [&](const Step& step) { return step.out == gradient.out; });
  }
}

}  // namespace

void merge_steps(std::vector<Step>& steps, const std::vector<int>& outputs) {
  merge_relu_into_pooling(steps, outputs);
  merge_negations(steps, outputs);
  merge_unslices(steps, outputs);
  merge_cross_entropies(steps);
  merge_relu_into_products(steps, outputs);
}

}  // namespace fallline
