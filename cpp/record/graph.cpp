// What does a function compute?  The calls it made while it was traced.
#include "record/graph.h"

#include <atomic>
#include <string>

#include "record/node.h"

namespace fallline {
namespace {
thread_local Graph* current = nullptr;
std::atomic<int64_t> graphs{0};
}  // namespace

Graph* tracing() { return current; }
Tracing::Tracing(Graph* graph) : before_(current) {
  graph->around_ = before_;
  current = graph;
}
Tracing::~Tracing() { current = before_; }

Graph::Graph(bool body) : number_(graphs++), body_(body) {}

Var Graph::input(const Dims& shape, DType dtype, const Dims& strides) {
  Array array = Array::placeholder(shape, dtype);
  if (strides.size() == shape.size()) array.strides = strides;
  const int value = static_cast<int>(values.size());
  values.push_back({Kind::kInput, array.layout(), {}});
  inputs.push_back(value);
  return Var(std::move(array), nullptr, name(value));
}

void Graph::begin() { begun_ = Node().number; }

bool Graph::is_recorded(const Var& x) const { return x.tracked() && x.node()->oldest < begun_; }

bool Graph::is_outer(const Var& x) const {
  for (const Graph* graph = around_; graph; graph = graph->around_)
    if (x.value() >> 32 == graph->number_) return body_;
  return false;
}

bool Graph::becomes_input(const Var& x) const {
  const bool known = x.value() >= 0 && x.value() >> 32 == number_;
  return !known && (!x.array().buffer || (body_ && is_recorded(x)));
}

int Graph::value_of(const Var& x) {
  if (x.value() >= 0 && x.value() >> 32 == number_) return static_cast<int>(x.value());
  const bool outer = !x.array().buffer;
  if (outer && x.value() < 0) check_readable(x, "trace");
  if (outer && !is_outer(x))
    throw TraceError("[trace] a value of a finished trace was used; return it from the function instead");
  const auto [at, is_new] = captured_.try_emplace(x.identity(), static_cast<int>(values.size()));
  if (!is_new) return at->second;
  alive_.push_back(x);
  if (becomes_input(x)) {
    values.push_back({Kind::kInput, Array::placeholder(x.shape(), x.dtype()).layout(), {}});
    inputs.push_back(at->second);
    closed.push_back(is_recorded(x) ? x : detach(x));
  } else {
    values.push_back({Kind::kConstant, x.array().layout(), x.array()});
  }
  return at->second;
}

int64_t Graph::record(const Primitive& primitive, const Var* const* in, int count, Attrs attrs, const Layout* layouts,
                      int outs) {
  Step step{&primitive, {}, {}, attrs};
  step.source = source_of_call();
  for (int i = 0; i < count; ++i) {
    step.in.push_back(value_of(*in[i]));
    if (!is_recorded(*in[i])) continue;
    step.recorded.resize(static_cast<size_t>(count));
    step.recorded[static_cast<size_t>(i)] = true;
  }
  for (int i = 0; i < outs; ++i) {
    step.outs.push_back(static_cast<int>(values.size()));
    values.push_back({Kind::kComputed, layouts[i], {}});
  }
  steps.push_back(std::move(step));
  return outs ? name(steps.back().out()) : -1;
}

void check_readable(const Var& x, const char* what) {
  if (x.array().data || x.array().buffer) return;
  if (x.value() < 0)
    throw TraceError("[" + std::string(what) + "] an array of shape " + to_string(x.shape()) +
                     " was given away to a function made with jit(..., donate=...), which wrote its result over it; "
                     "use what that function returned, or pass a copy");
  throw TraceError("[" + std::string(what) + "] the values of an array of shape " + to_string(x.shape()) +
                   " were asked for while its function is being traced, where only shapes are known; "
                   "use fl.where instead of if, fl.stop_gradient and return values instead of printing");
}

}  // namespace fallline
