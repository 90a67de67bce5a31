// How does a traced function become one step of another?  As a body, which the step runs once, or as a loop along the
// rows of its inputs. Its derivative is again such a step, so that derivatives of every order follow.
#ifndef FALLLINE_PLAN_NESTED_H_
#define FALLLINE_PLAN_NESTED_H_

#include <functional>
#include <map>
#include <mutex>
#include <tuple>

#include "record/graph.h"

namespace fallline {

class Loop;
struct Nested;  // a graph that is one step of another
using NestedPtr = std::shared_ptr<const Nested>;

// Inputs are carries, rows, and what stays the same in every run; outputs are the next carries, and what is gathered as
// rows. A body that runs once has neither carries nor rows, and its outputs are gathered without a new axis.
struct Nested {
  std::shared_ptr<const Graph> graph;
  std::vector<int> outputs;
  std::vector<bool> recorded;  // outputs through which derivatives pass
  int carries = 0, rows = 0;
  bool once = false;
  bool reverse = false;  // from the last row to the first
  bool gathers = false;  // the last outputs are the carries as each run found them, for the way back

  size_t input_count() const { return graph->inputs.size(); }
  const Layout& input(size_t i) const { return graph->values[static_cast<size_t>(graph->inputs[i])].layout; }
  const Layout& output(size_t i) const { return graph->values[static_cast<size_t>(outputs[i])].layout; }
  Dims result_shape(size_t i, int64_t length) const;

  // Made when they are first asked for. Who looks for the loop may hold what a running loop waits for (set_watch), so
  // that has a mutex of its own.
  struct Cache {
    std::mutex mutex;
    NestedPtr gathering;
    std::map<std::tuple<std::vector<bool>, std::vector<bool>, bool>, NestedPtr> derivatives;
    std::map<std::tuple<std::vector<bool>, int64_t>, NestedPtr> batched;
    std::mutex running;
    std::shared_ptr<Loop> loop;  // for calls outside of plans
  };
  std::unique_ptr<Cache> cache = std::make_unique<Cache>();
};

struct Spec {
  Dims shape;
  DType dtype;
};

// Calls f with placeholders; what it takes from outside is appended to the inputs, and listed in `closed` of the graph.
// Recorded: derivatives by the inputs will be asked for.
using Traceable = std::function<Vars(const Vars&)>;
std::shared_ptr<Nested> trace_nested(const Traceable& f, const std::vector<Spec>& specs, bool recorded);

// Runs a body, or adds it to the graph being traced; and remembers it where a derivative may be asked.
Vars call_nested(const NestedPtr& nested, const Vars& in, int64_t length);

// The outputs of a body as calls of this thread.
Vars replay(const Nested& nested, const Vars& in);

// The same for many examples at once, by the rows' batching rules (batched.cpp).
struct Example {
  Var value;
  bool batched = false;  // whether it has one for each example, along a new first axis; else it is the same for all
};
std::vector<Example> replay(const Nested& nested, const std::vector<Example>& in, int64_t size);
Vars batch_nested(const BatchedCall& b);  // the rule of a body itself
NestedPtr batched_body(const Nested& body, const std::vector<bool>& batched, int64_t size);

Layouts infer_loop(Inputs in, Attrs attrs);
void run_loop(Inputs in, Inputs out, Attrs attrs);

// A derivative that was written by hand: from the inputs, what the call left for it, and the gradients of its results
// (empty where none has come) those of the inputs (empty where it is zero).
using Pull = std::function<Vars(const Vars& in, const Vars& left, const Vars& gs)>;

// The first `results` outputs are what was asked for, the others are left for `pull`.
Vars call_custom(const NestedPtr& body, const Vars& in, int64_t results, Pull pull);
// The same where the outputs are known already.
Vars remember_custom(const Vars& in, const Vars& outs, int64_t results, Pull pull);
extern const Primitive kCustom;

struct LoopAttrs {
  NestedPtr body;
  int64_t length;
  // Of a recorded call: what the body captured, and its version then.
  std::shared_ptr<const std::vector<std::pair<Var, uint32_t>>> constants = nullptr;
  int64_t results = 0;  // of a derivative written by hand
  std::shared_ptr<const Pull> pull = nullptr;
  FL_FIELDS(body, length);
};
inline std::string shown(const NestedPtr& body) { return std::to_string(body->graph->steps.size()) + " steps"; }
inline size_t hash_of(const NestedPtr& body) { return std::hash<NestedPtr>()(body); }
// What a step runs again and again, or null where it is of another kind.
const LoopAttrs* loop_of(const Graph::Step& step);

}  // namespace fallline

#endif  // FALLLINE_PLAN_NESTED_H_
