// Which result of a plan may be written over an input that nobody reads any longer?
#include "plan/donation.h"

#include <algorithm>

namespace fallline {

Donation::Donation(const std::vector<Graph::Step>& steps, const std::vector<Neighbours>& groups,
                   const std::vector<Array>& arrays, const std::vector<Root>& roots)
    : arrays_(arrays), written_(arrays.size()), reads_(arrays.size()) {
  const auto read = [&](const Graph::Step& step, Place at, size_t k) {
    const size_t v = static_cast<size_t>(step.in[k]);
    const size_t own = k + step.outs.size() - step.in.size();  // the output that may lie where this input lies
    const bool takes = step.primitive->overwrites && own < step.outs.size() &&
                       arrays[v].strides == arrays[static_cast<size_t>(step.outs[own])].strides;
    const bool joins = can_join(step, arrays) && arrays[v].size() == arrays[static_cast<size_t>(step.out())].size();
    const bool in_turn = roots[v].offset == 0 && (takes || joins);
    reads_[static_cast<size_t>(roots[v].value)].push_back({at, in_turn, takes ? step.outs[own] : -1});
  };
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t s = groups[g].begin; s < groups[g].end; ++s) {
      const Graph::Step& step = steps[s];
      for (int value : step.outs) written_[static_cast<size_t>(value)] = {s, g};
      for (size_t k = 0; k < step.in.size(); ++k) read(step, {s, g}, k);
    }
  }
}

// A group takes its steps in turn for every block of elements, so what it reads in turn is read before that block is
// written; earlier groups have read everything.
bool Donation::allows(int output, int input) const {
  if (arrays_[static_cast<size_t>(output)].bytes() != arrays_[static_cast<size_t>(input)].bytes()) return false;
  const Place written = written_[static_cast<size_t>(output)];
  const auto& reads = reads_[static_cast<size_t>(input)];
  return std::all_of(reads.begin(), reads.end(), [&](const Read& read) {
    return read.at.group < written.group ||
           (read.at.step <= written.step && read.in_turn && (read.result < 0 || read.result == output));
  });
}

}  // namespace fallline
