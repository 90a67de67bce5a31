// Which result of a plan may be written over an input that nobody reads any longer?
#include "plan/donation.h"

#include <algorithm>

namespace fallline {

Rows find_rows(const std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values,
               const std::vector<int>& outputs) {
  const auto layout = [&](int value) -> const Layout& { return values[static_cast<size_t>(value)].layout; };
  Rows found;
  for (const Graph::Step& step : steps)
    if (step.primitive->rows && step.also.empty())
      found[step.out].assign(static_cast<size_t>(layout(step.out).shape[0]), -1);
  for (int output : outputs) found.erase(output);
  for (const Graph::Step& step : steps) {
    for (int value : step.in) {
      const auto stack = found.find(value);
      if (stack == found.end()) continue;
      const Layout& row = layout(step.out);
      const int64_t length = layout(value).shape[1];
      const bool whole = row.alias >= 0 && length > 0 && count(row.shape) == length && row.offset % length == 0 &&
                         is_row_major(row.shape, row.strides);
      if (whole) {
        stack->second[static_cast<size_t>(row.offset / length)] = step.out;
      } else {
        found.erase(stack);
      }
    }
  }
  for (auto at = found.begin(); at != found.end();)
    at = std::count(at->second.begin(), at->second.end(), -1) ? found.erase(at) : std::next(at);
  return found;
}

Donation::Donation(const std::vector<Graph::Step>& steps, const std::vector<Neighbours>& groups,
                   const std::vector<Array>& arrays, const std::vector<Root>& roots, const Rows& rows)
    : arrays_(arrays), written_(arrays.size()), reads_(arrays.size()) {
  const auto read = [&](const Graph::Step& step, Place at, size_t k) {
    const size_t v = static_cast<size_t>(step.in[k]);
    const Array& out = arrays[static_cast<size_t>(step.out)];
    const auto found = rows.find(step.out);
    const size_t first = static_cast<size_t>(step.primitive->overwrites);
    const bool row = found != rows.end() && k >= first && arrays[v].row_major();
    const bool in_turn = roots[v].offset == 0 && (row || (can_join(step, arrays) && arrays[v].size() == out.size()));
    reads_[static_cast<size_t>(roots[v].value)].push_back({at, in_turn, row ? found->second[k - first] : -1});
  };
  for (size_t g = 0; g < groups.size(); ++g) {
    for (size_t s = groups[g].begin; s < groups[g].end; ++s) {
      const Graph::Step& step = steps[s];
      written_[static_cast<size_t>(step.out)] = {s, g};
      for (int value : step.also) written_[static_cast<size_t>(value)] = {s, g};
      if (const auto found = rows.find(step.out); found != rows.end())
        for (int row : found->second) written_[static_cast<size_t>(row)] = {s, g};
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
