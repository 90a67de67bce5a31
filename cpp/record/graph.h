// What does a function compute?  The calls it made while it was traced, as numbered values and steps.
#ifndef FALLLINE_RECORD_GRAPH_H_
#define FALLLINE_RECORD_GRAPH_H_

#include <memory>
#include <unordered_map>
#include <vector>

#include "record/primitive.h"
#include "record/source.h"

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
    std::vector<int> outs;
    OwnAttrs attrs;
    std::vector<bool> recorded = {};  // inputs through which derivatives pass; empty for none
    CallSite source = nullptr;        // of the call, while checks are on
    int out() const { return outs[0]; }
  };
  std::vector<Value> values;
  std::vector<Step> steps;
  std::vector<int> inputs;  // placeholders in the order they were made
  Vars closed;              // of a body: what its last inputs stand for

  // A body is traced within something else: values of outer traces, and arrays with a recorded past, that it takes from
  // outside become further inputs.
  explicit Graph(bool body = false);
  Var input(const Dims& shape, DType dtype, const Dims& strides = {});  // row-major without strides
  // From here on calls are those of the function itself; what is recorded already came from outside.
  void begin();
  int value_of(const Var& x);              // its place in `values`; captures an array from outside
  bool is_recorded(const Var& x) const;    // whether derivatives by what lies outside pass through x
  bool becomes_input(const Var& x) const;  // whether it comes from outside, and is given anew to each run: dense
  bool body() const { return body_; }
  // Returns what Var::value() of the first result has to be; the others follow.
  int64_t record(const Primitive& primitive, const Var* const* in, int count, Attrs attrs, const Layout* layouts,
                 int outs);

 private:
  friend class Tracing;
  int64_t name(int place) const { return number_ << 32 | place; }
  bool is_outer(const Var& x) const;  // a value of a trace that goes on around this one

  int64_t number_;  // of all graphs
  bool body_;
  uint64_t begun_ = 0;       // the tape's number at begin()
  Graph* around_ = nullptr;  // while this one is being traced
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

// Throws TraceError unless x has elements that can be read now. An array outside of traces and without memory was given
// away (jit's donate).
void check_readable(const Var& x, const char* what);

}  // namespace fallline

#endif  // FALLLINE_RECORD_GRAPH_H_
