// How does a traced function become one step of another, with derivatives?
#include "plan/nested.h"

#include <algorithm>

#include "primitives/backward.h"
#include "primitives/functions.h"
#include "plan/loop.h"
#include "record/node.h"
#include "ops/move.h"

namespace fallline {
namespace {

const LoopAttrs& loop_attrs(Attrs attrs) { return attrs.as<LoopAttrs>(); }

// The same loop that also leaves the carries as each run found them.
NestedPtr gathering(const NestedPtr& nested) {
  if (nested->gathers || nested->once) return nested;
  const std::lock_guard<std::mutex> lock(nested->cache->mutex);
  NestedPtr& found = nested->cache->gathering;
  if (found) return found;
  auto made = std::make_shared<Nested>();
  made->graph = nested->graph;
  made->outputs = nested->outputs;
  made->recorded = nested->recorded;
  made->carries = nested->carries;
  made->rows = nested->rows;
  made->reverse = nested->reverse;
  made->gathers = true;
  for (int i = 0; i < nested->carries; ++i) {
    made->outputs.push_back(nested->graph->inputs[static_cast<size_t>(i)]);
    made->recorded.push_back(is_float(nested->input(static_cast<size_t>(i)).dtype));
  }
  return found = made;
}

// What the way back will read of the captured arrays when it computes the body again: a write would change the result.
void collect_constants(const Graph& graph, std::vector<std::pair<Var, uint32_t>>& found) {
  std::vector<bool> read(graph.values.size());
  for (auto step = graph.steps.rbegin(); step != graph.steps.rend(); ++step) {
    const uint32_t keeps = step->recorded.empty() ? 0 : step->primitive->keeps;
    const bool whole = (keeps & kReadsOut) || std::any_of(step->outs.begin(), step->outs.end(),
                                                          [&](int value) { return read[static_cast<size_t>(value)]; });
    for (size_t i = 0; i < step->in.size(); ++i)
      if (whole || reads(keeps, static_cast<int>(i))) read[static_cast<size_t>(step->in[i])] = true;
    if (const LoopAttrs* const loop = loop_of(*step)) collect_constants(*loop->body->graph, found);
  }
  for (size_t i = 0; i < read.size(); ++i) {
    const Graph::Value& value = graph.values[i];
    if (read[i] && value.kind == Graph::Kind::kConstant)
      found.emplace_back(value.constant, value.constant.buffer->version());
  }
}

OwnAttrs when_recorded(Attrs attrs) {
  LoopAttrs recorded = loop_attrs(attrs);
  recorded.body = gathering(recorded.body);
  auto constants = std::make_shared<std::vector<std::pair<Var, uint32_t>>>();
  collect_constants(*recorded.body->graph, *constants);
  recorded.constants = constants;
  return recorded;
}

Primitive::Past past_of(Attrs attrs, int output) {
  const Nested& body = *loop_attrs(attrs).body;
  const int carries = body.gathers ? body.carries : 0;
  return {body.recorded[static_cast<size_t>(output)], output >= static_cast<int>(body.outputs.size()) - carries};
}

// ----- the way back -----

// What the body of a derivative is given and has to find: the gradients that are `wanted` of the inputs and `given` of
// the outputs.
struct Pulled {
  const Nested& forward;
  const std::vector<bool>&wanted, &given;

  size_t carries() const { return static_cast<size_t>(forward.carries); }
  size_t rows() const { return static_cast<size_t>(forward.rows); }
  bool is_row(size_t i) const { return i >= carries() && i < carries() + rows(); }
  bool differentiable(size_t carry) const { return is_float(forward.input(carry).dtype); }
  Spec spec(const Layout& layout) const { return {layout.shape, layout.dtype}; }
  std::vector<Spec> specs() const;
  Vars operator()(const Vars& in) const;
};

// Carries: gradients of the carries, sums of those of what stays the same. Rows: those of the loop, the carries, the
// gradients of what was gathered. Then what stays the same; for a body that runs once, the gradients of its outputs
// too.
std::vector<Spec> Pulled::specs() const {
  std::vector<Spec> found;
  for (size_t i = 0; i < carries(); ++i)
    if (differentiable(i)) found.push_back(spec(forward.input(i)));
  for (size_t i = carries() + rows(); i < forward.input_count(); ++i)
    if (wanted[i] && !forward.once) found.push_back(spec(forward.input(i)));
  for (size_t i = carries(); i < carries() + rows(); ++i) found.push_back(spec(forward.input(i)));
  for (size_t i = 0; i < carries(); ++i) found.push_back(spec(forward.input(i)));
  for (size_t i = carries(); i < given.size(); ++i)
    if (given[i]) found.push_back(spec(forward.output(i)));
  for (size_t i = carries() + rows(); i < forward.input_count(); ++i) found.push_back(spec(forward.input(i)));
  return found;
}

Vars Pulled::operator()(const Vars& in) const {
  const NoRecord record(true);
  auto next = in.begin();
  Vars inputs(forward.input_count()), outputs, cotangents, targets, sums;
  Vars carried(carries());
  for (size_t i = 0; i < carries(); ++i)
    if (differentiable(i)) carried[i] = *next++;
  for (size_t i = carries() + rows(); i < inputs.size(); ++i)
    if (wanted[i] && !forward.once) sums.push_back(*next++);
  for (size_t i = carries(); i < carries() + rows(); ++i) inputs[i] = *next++;
  for (size_t i = 0; i < carries(); ++i) inputs[i] = *next++;
  Vars gathered(given.size());
  for (size_t i = carries(); i < given.size(); ++i)
    if (given[i]) gathered[i] = *next++;
  for (size_t i = carries() + rows(); i < inputs.size(); ++i) inputs[i] = *next++;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (i < carries() ? !differentiable(i) : !wanted[i]) continue;
    targets.push_back(inputs[i] = start_record(inputs[i]));
  }
  const Vars values = replay(forward, inputs);
  for (size_t i = 0; i < values.size(); ++i) {
    const Var& g = i < carries() ? carried[i] : gathered[i];
    if (!g) continue;
    outputs.push_back(values[i]);
    cotangents.push_back(g);
  }
  Vars found = gradients(outputs, cotangents, targets);
  for (size_t i = 0; i < found.size(); ++i)
    if (!found[i]) found[i] = zeros(targets[i].shape(), targets[i].dtype());
  if (forward.once) return found;
  // As outputs: carries first, then rows.
  const std::ptrdiff_t n = static_cast<std::ptrdiff_t>(targets.size() - sums.size());
  std::ptrdiff_t floats = 0;
  for (size_t i = 0; i < carries(); ++i) floats += differentiable(i);
  Vars out(found.begin(), found.begin() + floats);
  for (size_t i = 0; i < sums.size(); ++i) out.push_back(sums[i] + found[static_cast<size_t>(n) + i]);
  out.insert(out.end(), found.begin() + floats, found.begin() + n);
  return out;
}

// Traced without the lock: a rule written by hand may wait for the interpreter, whose holder waits for the lock.
NestedPtr derivative(const NestedPtr& forward, const std::vector<bool>& wanted, const std::vector<bool>& given) {
  const auto key = std::make_tuple(wanted, given, recording());
  Nested::Cache& cache = *forward->cache;
  {
    const std::lock_guard<std::mutex> lock(cache.mutex);
    if (const auto at = cache.derivatives.find(key); at != cache.derivatives.end()) return at->second;
  }
  const Pulled pull{*forward, wanted, given};
  const auto made = trace_nested(pull, pull.specs(), recording());
  made->once = forward->once;
  made->reverse = !forward->reverse;
  const size_t carries = pull.carries(), rows = pull.rows();
  for (size_t i = 0; i < wanted.size() && !forward->once; ++i)
    made->carries += i < carries ? pull.differentiable(i) : (i >= carries + rows && wanted[i]);
  made->rows = static_cast<int>(rows + carries);
  for (size_t i = carries; i < given.size() && !forward->once; ++i) made->rows += given[i];
  if (forward->once) made->rows = 0;
  const std::lock_guard<std::mutex> lock(cache.mutex);
  return cache.derivatives.try_emplace(key, made).first->second;
}

// The gradients of the inputs that are wanted, from those of the outputs.
void pull_loop(Pullback& p) {
  const LoopAttrs& call = loop_attrs(p.attrs);
  const NestedPtr& pulled = call.body;
  const int64_t length = call.length;
  for (const auto& [kept, version] : *call.constants) check_version(pulled->once ? "call" : "scan", kept, version);
  const Nested& body = *pulled;
  const size_t carries = static_cast<size_t>(body.carries), same = carries + static_cast<size_t>(body.rows);
  const size_t count = static_cast<size_t>(p.count);
  const std::vector<bool> wanted(p.wanted, p.wanted + count);
  Vars inputs;
  std::vector<bool> given;
  for (const Var& g : p.gs) given.push_back(static_cast<bool>(g));
  const auto start = [&](size_t i) { return zeros(body.input(i).shape, body.input(i).dtype); };
  for (size_t i = 0; i < carries; ++i)
    if (is_float(body.input(i).dtype)) inputs.push_back(given[i] ? p.gs[i] : start(i));
  for (size_t i = same; i < count; ++i)
    if (wanted[i] && !body.once) inputs.push_back(start(i));
  for (size_t i = carries; i < same; ++i) inputs.push_back(p.in[i]);
  for (size_t i = 0; i < carries; ++i) {
    const size_t result = p.gs.size() - carries + i;
    inputs.push_back(body.recorded[result] ? p.outs[result] : detach(p.outs[result]));
  }
  for (size_t i = carries; i < given.size(); ++i)
    if (given[i]) inputs.push_back(p.gs[i]);
  for (size_t i = same; i < count; ++i) inputs.push_back(p.in[i]);

  const Vars found = call_nested(derivative(pulled, wanted, given), inputs, length);
  auto next = found.begin();
  for (size_t i = 0; i < carries; ++i) {
    if (!is_float(body.input(i).dtype)) continue;
    if (wanted[i]) p.gin[i] = *next;
    ++next;
  }
  for (size_t i = same; i < count; ++i)
    if (wanted[i]) p.gin[i] = *next++;
  for (size_t i = carries; i < same; ++i)
    if (wanted[i]) p.gin[i] = *next++;
}

constexpr Primitive loop_row(const char* name) {
  return primitive(name, infer_loop)
      .vjp(pull_loop, kReadsAll)
      .batch(batch_nested)
      .run(run_loop)
      .recorded_as(when_recorded, past_of);
}
constexpr Primitive kScan = loop_row("scan"), kCall = loop_row("call");

}  // namespace

Layouts infer_loop(Inputs, Attrs attrs) {
  const LoopAttrs& call = loop_attrs(attrs);
  const NestedPtr& body = call.body;
  const int64_t length = call.length;
  Layouts out;
  for (size_t i = 0; i < body->outputs.size(); ++i) {
    const Dims shape = body->result_shape(i, length);
    out.push_back({body->output(i).dtype, shape, -1, 0, row_major(shape)});
  }
  return out;
}

// With memory for this call alone: what a tape remembers must not hold the temporaries of a body.
void run_loop(Inputs in, Inputs out, Attrs attrs) {
  const LoopAttrs& call = loop_attrs(attrs);
  const NestedPtr& body = call.body;
  const int64_t length = call.length;
  std::vector<Array> inputs;
  std::vector<const Array*> from;
  for (int i = 0; i < in.count; ++i) inputs.push_back(contiguous(in[i]));
  for (const Array& x : inputs) from.push_back(&x);
  const std::lock_guard<std::mutex> lock(body->cache->running);
  std::shared_ptr<Loop>& loop = body->cache->loop;
  if (!loop) loop = std::make_shared<Loop>(*body, std::vector<int64_t>(inputs.size()));
  const std::shared_ptr<Buffer> memory = Buffer::allocate(static_cast<size_t>(loop->memory()));
  loop->attach(memory->data());
  loop->run(from.data(), out.arrays, length);
}

const LoopAttrs* loop_of(const Graph::Step& step) {
  return step.primitive == &kScan || step.primitive == &kCall || step.primitive == &kCustom
             ? &step.attrs.as<LoopAttrs>()
             : nullptr;
}

Dims Nested::result_shape(size_t i, int64_t length) const {
  const Dims& one = output(i).shape;
  if (once || i < static_cast<size_t>(carries)) return one;
  Dims shape = {length};
  for (int64_t n : one) shape.push_back(n);
  return shape;
}

std::shared_ptr<Nested> trace_nested(const Traceable& f, const std::vector<Spec>& specs, bool recorded) {
  auto graph = std::make_shared<Graph>(true);
  auto made = std::make_shared<Nested>();
  const Tracing scope(graph.get());
  Vars inputs;
  for (const Spec& spec : specs) {
    const Var x = graph->input(spec.shape, spec.dtype);
    inputs.push_back(recorded && is_float(spec.dtype) ? start_record(x) : x);
  }
  graph->begin();
  for (const Var& y : f(inputs)) {
    made->outputs.push_back(graph->value_of(y));
    made->recorded.push_back(graph->is_recorded(y) && is_float(y.dtype()));
  }
  made->graph = std::move(graph);
  return made;
}

Vars call_nested(const NestedPtr& nested, const Vars& in, int64_t length) {
  Vars out = apply_all(nested->once ? kCall : kScan, in, LoopAttrs{nested, length});
  out.resize(nested->outputs.size());
  return out;
}

Vars replay(const Nested& nested, const Vars& in) {
  std::vector<Example> same;
  for (const Var& x : in) same.push_back({x});
  Vars out;
  for (Example& y : replay(nested, same, 1)) out.push_back(std::move(y.value));
  return out;
}

}  // namespace fallline
