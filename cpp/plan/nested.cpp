// How does a traced function become one step of another, with derivatives?
#include "plan/nested.h"

#include <unordered_map>

#include "plan/backward.h"
#include "primitives/functions.h"
#include "plan/loop.h"
#include "record/node.h"
#include "ops/move.h"

namespace fallline {
namespace {

constexpr Primitive kScan = primitive("scan", nullptr).vjp(nullptr, ~0u);
constexpr Primitive kCall = primitive("call", nullptr).vjp(nullptr, ~0u);

constexpr Primitive kResult = primitive("result", [](Inputs, Attrs attrs) {
                                const ResultAttrs& a = attrs.as<ResultAttrs>();
                                return Layout{a.dtype, a.shape, 0, a.before, row_major(a.shape)};
                              }).vjp(nullptr, kReadsNone);

const Primitive& primitive_of(const Nested& nested) { return nested.once ? kCall : kScan; }

Vars call_in_trace(const NestedPtr& nested, const Vars& in, int64_t length) {
  const std::vector<int64_t> offsets = result_offsets(*nested, length);
  Layout memory{DType::kUint8, {offsets.back()}, -1, 0, {1}};
  std::vector<const Var*> inputs;
  for (const Var& x : in) inputs.push_back(&x);
  const int64_t value = tracing()->record(primitive_of(*nested), inputs.data(), static_cast<int>(inputs.size()),
                                          LoopAttrs{length}, memory, nested);
  const Var all(Array::placeholder(memory.shape, memory.dtype), nullptr, value);
  Vars out;
  for (size_t i = 0; i < nested->outputs.size(); ++i) {
    const DType dtype = nested->output(i).dtype;
    const int64_t before = offsets[i] / static_cast<int64_t>(size_of(dtype));
    const ResultAttrs attrs{static_cast<int64_t>(i), dtype, nested->result_shape(i, length), before};
    out.push_back(apply(kResult, {all}, attrs));
  }
  return out;
}

// With memory for this call alone: what a tape remembers must not hold the temporaries of a body.
Vars call_now(const NestedPtr& nested, const Vars& in, int64_t length) {
  std::vector<Array> inputs, results;
  std::vector<const Array*> from;
  std::vector<std::byte*> to;
  for (const Var& x : in) {
    check_readable(x, primitive_of(*nested).name);
    inputs.push_back(contiguous(x.array()));
  }
  for (const Array& x : inputs) from.push_back(&x);
  for (size_t i = 0; i < nested->outputs.size(); ++i) {
    results.push_back(Array::empty(nested->result_shape(i, length), nested->output(i).dtype));
    to.push_back(results.back().data);
  }
  const std::lock_guard<std::mutex> lock(nested->cache->running);
  std::shared_ptr<Loop>& loop = nested->cache->loop;
  if (!loop) loop = std::make_shared<Loop>(*nested, std::vector<int64_t>(in.size()));
  const std::shared_ptr<Buffer> memory = Buffer::allocate(static_cast<size_t>(loop->memory()));
  loop->attach(memory->data());
  loop->run(from.data(), to.data(), length);
  Vars out;
  for (Array& result : results) out.push_back(Var(std::move(result)));
  return out;
}

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

// One result of a call, which remembers it.
Var with_past(const Var& x, const NodePtr& call, size_t i) {
  auto node = std::make_shared<Node>();
  node->primitive = &kResult;
  node->attrs = ResultAttrs{static_cast<int64_t>(i), x.dtype(), x.shape(), 0};
  node->make_inputs(1);
  node->inputs[0].node = call;
  node->oldest = call->oldest;
  return Var(x.array(), std::move(node), x.value());
}

// What the way back will read of the captured arrays when it computes the body again: a write would change the result.
void collect_constants(const Graph& graph, std::vector<std::pair<Var, uint32_t>>& found) {
  std::vector<bool> read(graph.values.size());
  for (auto step = graph.steps.rbegin(); step != graph.steps.rend(); ++step) {
    const uint32_t keeps = step->recorded.empty() ? 0 : step->primitive->keeps;
    const bool whole = read[static_cast<size_t>(step->out)] || (keeps & kReadsOut);
    for (size_t i = 0; i < step->in.size(); ++i)
      if (whole || (i < 31 && (keeps >> i) & 1)) read[static_cast<size_t>(step->in[i])] = true;
    if (step->nested) collect_constants(*step->nested->graph, found);
  }
  for (size_t i = 0; i < read.size(); ++i) {
    const Graph::Value& value = graph.values[i];
    if (read[i] && value.kind == Graph::Kind::kConstant)
      found.emplace_back(value.constant, value.constant.buffer->version());
  }
}

NodePtr remember(const NestedPtr& nested, const Vars& in, const Vars& out, int64_t length) {
  auto node = std::make_shared<Node>();
  node->primitive = &primitive_of(*nested);
  node->make_inputs(static_cast<int>(in.size()));
  node->oldest = UINT64_MAX;
  for (size_t i = 0; i < in.size(); ++i) {
    const Array& x = in[i].array();
    node->inputs[i] = {in[i].node(), in[i], x.buffer ? x.buffer->version() : 0, in[i].shape()};
    if (in[i].tracked()) node->oldest = std::min(node->oldest, in[i].node()->oldest);
  }
  const std::ptrdiff_t carries = nested->gathers ? nested->carries : 0;
  const auto made = std::make_shared<NestedCall>();
  made->body = nested;
  made->length = length;
  made->carries.assign(out.end() - carries, out.end());
  collect_constants(*nested->graph, made->constants);
  node->nested = made;
  return node;
}

// ----- the way back -----

// What the body of a derivative is given and has to find: the gradients that are `wanted` of the inputs and `given` of
// the outputs.
struct Pull {
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
std::vector<Spec> Pull::specs() const {
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

Vars Pull::operator()(const Vars& in) const {
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

NestedPtr derivative(const NestedPtr& forward, const std::vector<bool>& wanted, const std::vector<bool>& given) {
  const std::lock_guard<std::mutex> lock(forward->cache->mutex);
  NestedPtr& found = forward->cache->derivatives[{wanted, given, recording()}];
  if (found) return found;
  const Pull pull{*forward, wanted, given};
  const auto made = trace_nested(pull, pull.specs(), recording());
  made->once = forward->once;
  made->reverse = !forward->reverse;
  if (forward->once) return found = made;
  const size_t carries = pull.carries(), rows = pull.rows();
  for (size_t i = 0; i < wanted.size(); ++i)
    made->carries += i < carries ? pull.differentiable(i) : (i >= carries + rows && wanted[i]);
  made->rows = static_cast<int>(rows + carries);
  for (size_t i = carries; i < given.size(); ++i) made->rows += given[i];
  return found = made;
}

}  // namespace

const Primitive& result_primitive() { return kResult; }

Dims Nested::result_shape(size_t i, int64_t length) const {
  const Dims& one = output(i).shape;
  if (once || i < static_cast<size_t>(carries)) return one;
  Dims shape = {length};
  for (int64_t n : one) shape.push_back(n);
  return shape;
}

std::vector<int64_t> result_offsets(const Nested& nested, int64_t length) {
  std::vector<int64_t> offsets = {0};
  for (size_t i = 0; i < nested.outputs.size(); ++i)
    offsets.push_back(offsets.back() + padded(count(nested.result_shape(i, length)) *
                                              static_cast<int64_t>(size_of(nested.output(i).dtype))));
  return offsets;
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
  bool tracked = false;
  for (const Var& x : in) tracked |= x.tracked();
  tracked &= recording();
  const NestedPtr run = tracked ? gathering(nested) : nested;
  Vars out = tracing() ? call_in_trace(run, in, length) : call_now(run, in, length);
  if (tracked) {
    const NodePtr node = remember(run, in, out, length);
    for (size_t i = 0; i < out.size(); ++i)
      if (run->recorded[i]) out[i] = with_past(out[i], node, i);
  }
  out.resize(nested->outputs.size());
  return out;
}

Vars replay(const Nested& nested, const Vars& in) {
  const Graph& graph = *nested.graph;
  Vars values(graph.values.size());
  std::unordered_map<int, Vars> results;
  for (size_t i = 0; i < in.size(); ++i) values[static_cast<size_t>(graph.inputs[i])] = in[i];
  const auto value = [&](int place, bool recorded) {
    Var& x = values[static_cast<size_t>(place)];
    if (!x) x = Var(graph.values[static_cast<size_t>(place)].constant);
    return recorded ? x : detach(x);
  };
  for (const Graph::Step& step : graph.steps) {
    if (step.primitive == &kResult) {
      values[static_cast<size_t>(step.out)] =
          results.at(step.in[0])[static_cast<size_t>(step.attrs.as<ResultAttrs>().number)];
      continue;
    }
    Vars inputs;
    for (size_t i = 0; i < step.in.size(); ++i)
      inputs.push_back(value(step.in[i], !step.recorded.empty() && step.recorded[i]));
    if (step.nested) {
      results[step.out] = call_nested(step.nested, inputs, step.attrs.as<LoopAttrs>().length);
    } else {
      values[static_cast<size_t>(step.out)] =
          apply(*step.primitive, inputs.data(), static_cast<int>(inputs.size()), step.attrs);
    }
  }
  Vars out;
  for (size_t i = 0; i < nested.outputs.size(); ++i) out.push_back(value(nested.outputs[i], nested.recorded[i]));
  return out;
}

Vars pull_nested(const NodePtr& node, const Vars& gradients, const std::vector<bool>& wanted) {
  const NestedCall& made = *node->nested;
  const Nested& body = *made.body;
  const size_t carries = static_cast<size_t>(body.carries), same = carries + static_cast<size_t>(body.rows);
  Vars inputs, out(wanted.size());
  std::vector<bool> given;
  for (const Var& g : gradients) given.push_back(static_cast<bool>(g));
  const auto kept = [&](size_t i) { return node->inputs[i].kept; };
  const auto start = [&](size_t i) { return zeros(body.input(i).shape, body.input(i).dtype); };
  for (size_t i = 0; i < carries; ++i)
    if (is_float(body.input(i).dtype)) inputs.push_back(given[i] ? gradients[i] : start(i));
  for (size_t i = same; i < wanted.size(); ++i)
    if (wanted[i] && !body.once) inputs.push_back(start(i));
  for (size_t i = carries; i < same; ++i) inputs.push_back(kept(i));
  for (size_t i = 0; i < carries; ++i) {
    const size_t result = gradients.size() - carries + i;
    const bool past = recording() && body.recorded[result];
    inputs.push_back(past ? with_past(made.carries[i], node, result) : made.carries[i]);
  }
  for (size_t i = carries; i < given.size(); ++i)
    if (given[i]) inputs.push_back(gradients[i]);
  for (size_t i = same; i < wanted.size(); ++i) inputs.push_back(kept(i));

  const Vars found = call_nested(derivative(made.body, wanted, given), inputs, made.length);
  auto next = found.begin();
  for (size_t i = 0; i < carries; ++i) {
    if (!is_float(body.input(i).dtype)) continue;
    if (wanted[i]) out[i] = *next;
    ++next;
  }
  for (size_t i = same; i < wanted.size(); ++i)
    if (wanted[i]) out[i] = *next++;
  for (size_t i = carries; i < same; ++i)
    if (wanted[i]) out[i] = *next++;
  return out;
}

}  // namespace fallline
