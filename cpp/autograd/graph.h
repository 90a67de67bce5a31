// What does a function compute?  The calls it made while it was traced, as numbered values and steps.
#ifndef FALLLINE_AUTOGRAD_GRAPH_H_
#define FALLLINE_AUTOGRAD_GRAPH_H_

#include <unordered_map>
#include <vector>

#include "autograd/primitive.h"

namespace fallline {

struct Graph {
  enum class Kind { kInput, kConstant, kComputed };
  struct Value {
    Kind kind;
    Layout layout;
    Array constant;  // captured by reference: read anew at each run
  };
  struct Step {
    const Primitive* primitive;
    std::vector<int> in;
    int out;
    Attrs attrs;
  };
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<int> inputs;  // placeholders in the order they were made

  Graph();
  Var input(const Dims& shape, DType dtype);
  int value_of(const Var& x);  // its place in `values`; captures an array from outside
  // Returns what Var::value() of the result has to be.
  int64_t record(const Primitive& primitive, const Var* in, int count, const Attrs& attrs, const Layout& layout);

 private:
  int64_t name(int place) const { return number_ << 32 | place; }

  int64_t number_;  // of all graphs
  std::unordered_map<const void*, int> captured_;
  Vars alive_;  // captured Vars, so that their identities stay theirs
};

// The graph that this thread's calls go to, or null.
Graph* tracing();
class Tracing {
 public:
  explicit Tracing(Graph* graph);
  ~Tracing();
  Tracing(const Tracing&) = delete;

 private:
  Graph* before_;
};

// Throws TraceError unless x has elements that can be read now.
void check_readable(const Var& x, const char* what);

}  // namespace fallline

#endif  // FALLLINE_AUTOGRAD_GRAPH_H_
