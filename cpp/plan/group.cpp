// Which elementwise steps of a plan run together?
#include "plan/group.h"

#include <algorithm>

#include "ops/matmul_kernels.h"
#include "simd/parallel.h"

namespace fallline {
namespace {

bool is_flat(const Array& x, const Array& out) {
  if (x.dtype != out.dtype || x.size() != out.size()) return false;
  return x.shape == out.shape ? x.strides == out.strides : x.row_major() && out.row_major();
}

}  // namespace

bool can_join(const Graph::Step& step, const std::vector<Array>& arrays) {
  const Primitive& primitive = *step.primitive;
  const Array& out = arrays[static_cast<size_t>(step.out())];
  if (!primitive.flat || step.in.size() > Group::kMostInputs || !is_dense(out.shape, out.strides)) return false;
  for (size_t i = 0; i < step.in.size(); ++i) {
    const Array& x = arrays[static_cast<size_t>(step.in[i])];
    const bool repeats = primitive.repeats >> i & 1 && x.one_element() && x.dtype == out.dtype;
    if (!repeats && !is_flat(x, out)) return false;
  }
  return true;
}

std::vector<Neighbours> find_groups(const std::vector<Graph::Step>& steps, const std::vector<Array>& arrays,
                                    const std::vector<Root>& roots) {
  std::vector<Neighbours> found;
  const auto repeats_own = [&](const Graph::Step& step) {
    return std::any_of(step.in.begin(), step.in.end(), [&](int value) {
      const size_t v = static_cast<size_t>(value);
      if (arrays[v].size() == arrays[static_cast<size_t>(step.out())].size()) return false;
      const auto computes = [&](const Graph::Step& earlier) { return earlier.out() == roots[v].value; };
      return std::any_of(steps.begin() + static_cast<std::ptrdiff_t>(found.back().begin),
                         steps.begin() + static_cast<std::ptrdiff_t>(found.back().end), computes);
    });
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    const Array& out = arrays[static_cast<size_t>(steps[i].out())];
    bool joins = false;
    if (!found.empty() && can_join(steps[i], arrays)) {
      const Graph::Step& before = steps[found.back().begin];
      joins =
          can_join(before, arrays) && is_flat(arrays[static_cast<size_t>(before.out())], out) && !repeats_own(steps[i]);
    }
    if (joins) {
      found.back().end = i + 1;
    } else {
      found.push_back({i, i + 1});
    }
  }
  return found;
}

std::vector<Neighbours> find_turns(const std::vector<Neighbours>& groups, const std::vector<Graph::Step>& steps,
                                   const std::vector<Array>& arrays) {
  std::vector<Neighbours> found;
  for (const Neighbours& group : groups) {
    const bool blocks = arrays[static_cast<size_t>(steps[group.begin].out())].size() > kGroupBlock;
    for (size_t i = group.begin; i < group.end; i = found.back().end) found.push_back({i, blocks ? group.end : i + 1});
  }
  return found;
}

void Group::add(Step step) {
  slots_ = std::max(slots_, step.out.slot + 1);
  const size_t count = static_cast<size_t>(step.count);
  Call call{step.kernel, end_of(step, size_), step.out.array, {}, count > 2};
  for (size_t k = 0; k < kMostInputs; ++k) {
    const Place& place = step.in[k < count ? k : 0];
    call.in[k] = {place.array, place.step};
  }
  calls_.push_back(call);
  steps_.push_back(std::move(step));
}

// What is padded is computed in whole registers to the end: a masked store cannot be read back before it has reached
// the cache, which in a chain of steps over few elements is most of the time.
int64_t Group::end_of(const Step& step, int64_t n) const {
  const int64_t lanes = kRegisterBytes / element_bytes_;
  return step.padded ? (n + lanes - 1) / lanes * lanes : n;
}

void Group::run_one() const {
  for (const Call& call : calls_) {
    const auto at = [&](size_t k) { return call.in[k].array->data; };
    std::byte* const out = call.out->data;
    if (call.many) {
      call.kernel.one(out, at(0), at(1), at(2), at(3));
    } else {
      call.kernel.one(out, at(0), at(1), nullptr, nullptr);
    }
  }
}

void Group::run_block() const {
  for (const Call& call : calls_) {
    Operand in[kMostInputs];
    const auto fetch = [&](size_t k) { in[k] = {call.in[k].array->data, call.in[k].step}; };
    fetch(0), fetch(1);  // the second perhaps in vain, which costs less than to count
    if (call.many) fetch(2), fetch(3);
    call.kernel(in, call.out->data, call.length);
  }
}

void Group::run_range(int64_t begin, int64_t end) const {
  const int64_t block = kGroupBlock * element_bytes_;
  std::byte* slots = slots_ ? static_cast<std::byte*>(scratch(Scratch::kGroup, slots_ * block)) : nullptr;
  const int64_t most = steps_.size() == 1 ? end - begin : kGroupBlock;  // one step alone leaves nothing for another
  for (int64_t at = begin; at < end; at += most) {
    const int64_t n = std::min(most, end - at);
    const auto memory = [&](const Place& place) {
      if (place.slot >= 0) return slots + place.slot * block;
      return place.array->data + place.step * at * element_bytes_;
    };
    for (const Step& step : steps_) {
      Operand in[kMostInputs];
      for (int k = 0; k < step.count; ++k) {
        const Place& place = step.in[static_cast<size_t>(k)];
        in[k] = {memory(place), place.step};
      }
      step.kernel(in, memory(step.out), end_of(step, n));
    }
  }
}

void Group::run() const {
  if (size_ == 0) return;  // kernels read what repeats before they look at the length
  if (size_ == 1) return run_one();
  if (size_ <= kGroupBlock) return run_block();
  const auto range = [this](int64_t begin, int64_t end) { run_range(begin, end); };
  for_chunks(size_, kSweepGrain, range, kPieceNs * static_cast<int64_t>(steps_.size()));
}

}  // namespace fallline
