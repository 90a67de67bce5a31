// Which elementwise steps of a plan run together?
#include "autograd/group.h"

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
  const Array& out = arrays[static_cast<size_t>(step.out)];
  if (!primitive.flat || step.in.size() > Group::kMostInputs || !is_dense(out.shape, out.strides)) return false;
  for (int value : step.in) {
    const Array& x = arrays[static_cast<size_t>(value)];
    const bool number = primitive.flat_numbers && x.size() == 1 && x.dtype == out.dtype;
    if (!number && !is_flat(x, out)) return false;
  }
  return true;
}

std::vector<Neighbours> find_groups(const std::vector<Graph::Step>& steps, const std::vector<Array>& arrays) {
  std::vector<Neighbours> found;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Array& out = arrays[static_cast<size_t>(steps[i].out)];
    bool joins = false;
    if (!found.empty() && can_join(steps[i], arrays)) {
      const Graph::Step& before = steps[found.back().begin];
      joins = can_join(before, arrays) && is_flat(arrays[static_cast<size_t>(before.out)], out);
    }
    if (joins) {
      found.back().end = i + 1;
    } else {
      found.push_back({i, i + 1});
    }
  }
  return found;
}

void Group::add(Step step) {
  slots_ = std::max(slots_, step.out.slot + 1);
  steps_.push_back(std::move(step));
}

// What is padded is computed in whole registers to the end: a masked store cannot be read back before it has reached
// the cache, which in a chain of steps over few elements is most of the time.
void Group::run_range(int64_t begin, int64_t end) const {
  const int64_t size = static_cast<int64_t>(size_of(dtype_)), block = kGroupBlock * size;
  std::byte* slots = slots_ ? static_cast<std::byte*>(scratch(Scratch::kGroup, slots_ * block)) : nullptr;
  const int64_t most = steps_.size() == 1 ? end - begin : kGroupBlock;  // one step alone leaves nothing for another
  for (int64_t at = begin; at < end; at += most) {
    const auto memory = [&](const Place& place) {
      if (place.slot >= 0) return slots + place.slot * block;
      return place.array->data + (place.repeats ? 0 : at * size);
    };
    const int64_t n = std::min(most, end - at),
                  whole = (n * size + kRegisterBytes - 1) / kRegisterBytes * kRegisterBytes / size;
    for (const Step& step : steps_) {
      Operand in[kMostInputs];
      for (int k = 0; k < step.count; ++k) {
        const Place& place = step.in[static_cast<size_t>(k)];
        in[k] = {memory(place), place.repeats ? 0 : 1};
      }
      step.primitive->flat(in, memory(step.out), step.padded ? whole : n, dtype_);
    }
  }
}

void Group::run() const {
  if (size_ <= kGroupBlock) return run_range(0, size_);
  const auto range = [this](int64_t begin, int64_t end) { run_range(begin, end); };
  for_chunks(size_, kSweepGrain, range, kPieceNs * static_cast<int64_t>(steps_.size()));
}

}  // namespace fallline
