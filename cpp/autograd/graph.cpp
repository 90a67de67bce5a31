// What does a function compute?  The calls it made while it was traced.
#include "autograd/graph.h"

#include <atomic>
#include <string>

namespace fallline {
namespace {
thread_local Graph* current = nullptr;
std::atomic<int64_t> graphs{0};
}  // namespace

Graph* tracing() { return current; }
Tracing::Tracing(Graph* graph) : before_(current) { current = graph; }
Tracing::~Tracing() { current = before_; }

Graph::Graph() : number_(graphs++) {}

Var Graph::input(const Dims& shape, DType dtype) {
  Array array = Array::placeholder(shape, dtype);
  const int value = static_cast<int>(values.size());
  values.push_back({Kind::kInput, array.layout(), {}});
  inputs.push_back(value);
  return Var(std::move(array), nullptr, name(value));
}

int Graph::value_of(const Var& x) {
  if (x.value() >= 0 && x.value() >> 32 == number_) return static_cast<int>(x.value());
  if (!x.array().buffer)
    throw TraceError("[trace] a value of a finished trace was used; return it from the function instead");
  const auto [at, is_new] = captured_.try_emplace(x.identity(), static_cast<int>(values.size()));
  if (is_new) {
    values.push_back({Kind::kConstant, x.array().layout(), x.array()});
    alive_.push_back(x);
  }
  return at->second;
}

int64_t Graph::record(const Primitive& primitive, const Var* in, int count, const Attrs& attrs, const Layout& layout) {
  Step step{&primitive, {}, 0, attrs};
  for (int i = 0; i < count; ++i) step.in.push_back(value_of(in[i]));
  step.out = static_cast<int>(values.size());
  values.push_back({Kind::kComputed, layout, {}});
  steps.push_back(std::move(step));
  return name(steps.back().out);
}

void check_readable(const Var& x, const char* what) {
  if (x.array().data || x.array().buffer) return;
  throw TraceError("[" + std::string(what) + "] the values of an array of shape " + to_string(x.shape()) +
                   " were asked for while its function is being traced, where only shapes are known; "
                   "use fl.where instead of if, fl.stop_gradient and return values instead of printing");
}

}  // namespace fallline
