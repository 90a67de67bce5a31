// Which outputs of a plan are handed out tile by tile?
#include "plan/stream.h"

#include <algorithm>

#include "ops/matmul_kernels.h"

namespace fallline {
namespace {

class Search {
 public:
  Search(const std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values,
         const std::vector<int>& outputs, const std::function<int(int)>& root)
      : steps_(steps), values_(values), outputs_(outputs), root_(root) {}

  bool can_stream(const Graph::Step& step, const Stream& stream) const {
    const Layout& product = layout(step.out());
    const Layout& seen = layout(outputs_[static_cast<size_t>(stream.output)]);
    return step.primitive->tiles && product.shape.size() == 2 && count(product.shape) >= kStreamElements &&
           layout(step.in[0]).shape[1] <= kMatmulDepth && seen.dtype == stream.target.dtype &&
           seen.shape == stream.target.shape && seen.strides == stream.target.strides &&
           count(seen.shape) == count(product.shape) && is_dense(seen.shape, seen.strides) && !reads_constant(step) &&
           readers(step.out()) == 1;
  }

 private:
  const Layout& layout(int value) const { return values_[static_cast<size_t>(value)].layout; }
  // A parameter might be among them, changed by a tile that came before.
  bool reads_constant(const Graph::Step& step) const {
    return std::any_of(step.in.begin(), step.in.end(), [&](int value) {
      return values_[static_cast<size_t>(root_(value))].kind == Graph::Kind::kConstant;
    });
  }
  int readers(int value) const {
    int found = 0;
    for (const Graph::Step& step : steps_)
      for (int in : step.in) found += root_(in) == value;
    for (int out : outputs_) found += root_(out) == value;
    return found;
  }

  const std::vector<Graph::Step>& steps_;
  const std::vector<Graph::Value>& values_;
  const std::vector<int>& outputs_;
  const std::function<int(int)>& root_;
};

}  // namespace

std::vector<int> stream_last(std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values,
                             const std::vector<int>& outputs, const std::vector<Stream>& wanted,
                             const std::function<int(int)>& root) {
  std::vector<int> streamed(outputs.size(), -1);
  const Search search(steps, values, outputs, root);
  for (const Stream& stream : wanted) {
    const int value = root(outputs[static_cast<size_t>(stream.output)]);
    for (const Graph::Step& step : steps) {
      if (step.out() == value && search.can_stream(step, stream)) streamed[static_cast<size_t>(stream.output)] = value;
    }
  }
  std::stable_partition(steps.begin(), steps.end(), [&](const Graph::Step& step) {
    return std::find(streamed.begin(), streamed.end(), step.out()) == streamed.end();
  });
  return streamed;
}

}  // namespace fallline
