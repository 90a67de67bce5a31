#include "plan/cost.h"

#include "plan/nested.h"

namespace fallline {

int64_t multiply_adds(const Graph& graph, size_t begin) {
  const auto shape = [&](int value) -> const Dims& { return graph.values[static_cast<size_t>(value)].layout.shape; };
  int64_t total = 0;
  for (size_t i = begin; i < graph.steps.size(); ++i) {
    const Graph::Step& step = graph.steps[i];
    if (const LoopAttrs* const loop = loop_of(step)) total += loop->length * multiply_adds(*loop->body->graph);
    if (step.primitive->products == nullptr) continue;
    std::vector<Dims> in;
    for (const int value : step.in) in.push_back(shape(value));
    total += step.primitive->products(in.data(), shape(step.out()));
  }
  return total;
}

}  // namespace fallline
