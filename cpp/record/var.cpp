// How are calls run and remembered?
#include "record/var.h"

#include <algorithm>
#include <atomic>
#include <iterator>

#include "record/primitive.h"
#include "record/graph.h"
#include "record/few.h"
#include "record/node.h"

namespace fallline {
namespace {

std::atomic<uint64_t> next_number{1};
thread_local bool record_calls = true;
std::atomic<DType> float_dtype{DType::kFloat32};

uint32_t version_of(const Var& x) { return x.array().buffer ? x.array().buffer->version() : 0; }

NodePtr remember(const Primitive& primitive, const Var* const* in, int count, Attrs attrs) {
  auto node = std::make_shared<Node>();
  node->primitive = &primitive;
  node->attrs = attrs;
  node->source = source_of_call();
  node->make_inputs(count);
  node->oldest = UINT64_MAX;
  for (int i = 0; i < count; ++i) {
    Node::Input& input = node->inputs[static_cast<size_t>(i)];
    input.node = in[i]->node();
    input.output = in[i]->output();
    input.shape = in[i]->shape();
    if (input.node) node->oldest = std::min(node->oldest, input.node->oldest);
    if (reads(primitive.keeps, i)) {
      input.kept = *in[i];
      input.version = version_of(*in[i]);
    }
  }
  return node;
}

void check_result(const Primitive& primitive, Inputs in, const Array& out) {
  const Array* const made = &out;
  check_made(primitive.name, in.arrays, in.count, &made, 1, source_of_call());
}

void keep_output(Node& node, Var out) {
  node.out_version = version_of(out);
  node.out = std::move(out);
}

template <class T>
Var weak_scalar(T number, DType dtype) {
  return weak(Array::scalar(number, dtype));
}

}  // namespace

void check_version(const char* name, const Var& kept, uint32_t version) {
  if (kept && kept.array().buffer && kept.array().buffer->version() != version)
    throw TapeError("[backward] " + std::string(name) + " needs an array of shape " + to_string(kept.shape()) +
                    " that was written to after it was recorded; copy it before writing, or write after backward");
}

Node::Node() : number(next_number.fetch_add(1, std::memory_order_relaxed)) { oldest = number; }

void Node::make_inputs(int count) {
  input_count = count;
  if (count <= static_cast<int>(std::size(few))) return;
  many = std::make_unique<Input[]>(static_cast<size_t>(count));
  inputs = many.get();
}

void Node::forget() {
  let_go = true;
  for (int i = 0; i < input_count; ++i) inputs[static_cast<size_t>(i)].kept = Var();
  out = Var();
  for (Kept& kept : outs) kept.value = Var();
}

Node::~Node() {
  // Whoever is destroyed first on this thread drains the list; the others only add to it.
  thread_local std::vector<NodePtr> waiting;
  thread_local bool draining = false;
  for (int i = 0; i < input_count; ++i) {
    Input& input = inputs[static_cast<size_t>(i)];
    if (input.node) waiting.push_back(std::move(input.node));
    input.kept = Var();
  }
  if (draining) return;
  draining = true;
  while (!waiting.empty()) {
    const NodePtr node = std::move(waiting.back());
    waiting.pop_back();
  }
  draining = false;
}

Var::Var(double number) : Var(weak_scalar(number, DType::kFloat64)) {}
Var::Var(int number) : Var(weak_scalar(number, DType::kInt64)) {}
Var weak(Array array) { return Var(std::move(array), nullptr, -1, true); }

DType default_dtype() { return float_dtype.load(std::memory_order_relaxed); }
void set_default_dtype(DType dtype) {
  if (!is_float(dtype))
    throw DTypeError("[set_default_dtype] expected float32 or float64, got " + std::string(name_of(dtype)));
  float_dtype.store(dtype);
}

bool recording() { return record_calls; }
NoRecord::NoRecord(bool record) : before_(record_calls) { record_calls = record; }
NoRecord::~NoRecord() { record_calls = before_; }

Var apply(const Primitive& primitive, const Var* in, int count, Attrs attrs) {
  Few<const Var*, 8> pointers(count);
  for (int i = 0; i < count; ++i) pointers[i] = &in[i];
  return apply(primitive, static_cast<const Var**>(pointers), count, attrs);
}

Var apply(const Primitive& primitive, const Var* const* in, int count, Attrs attrs) {
  Few<const Array*, 8> arrays(count);
  bool tracked = false;
  for (int i = 0; i < count; ++i) {
    arrays[i] = &in[i]->array();
    tracked |= in[i]->tracked();
  }
  std::vector<Array> dense;  // what a body takes from outside, as it finds it
  Graph* const graph = tracing();
  for (int i = 0; graph && i < count; ++i) {
    if (arrays[i]->row_major() || !graph->becomes_input(*in[i])) continue;
    dense.reserve(static_cast<size_t>(count));
    dense.push_back(Array::placeholder(in[i]->shape(), in[i]->dtype()));
    arrays[i] = &dense.back();
  }
  const Inputs inputs{arrays, count};
  Layout layout = primitive.shape(inputs, attrs);
  if (layout.alias < 0 && layout.strides.size() != layout.shape.size()) layout.strides = row_major(layout.shape);

  Array out;
  int64_t value = -1;
  if (graph) {
    value = graph->record(primitive, in, count, attrs, &layout, 1);
    out = Array::placeholder(layout.shape, layout.dtype);
    out.strides = layout.strides;
  } else {
    for (int i = 0; i < count; ++i) check_readable(*in[i], primitive.name);
    if (layout.alias >= 0) {
      out = arrays[layout.alias]->view(layout);
    } else {
      out = Array::empty(layout);
      primitive.eval(inputs, out, attrs);
      if (checking()) check_result(primitive, inputs, out);
    }
  }
  if (!tracked || !record_calls || primitive.derivative == Primitive::Derivative::kZero)
    return Var(std::move(out), nullptr, value);
  NodePtr node = remember(primitive, in, count, attrs);
  if (primitive.keeps & kReadsOut) keep_output(*node, Var(out, nullptr, value));
  return Var(std::move(out), std::move(node), value);
}

namespace {

// The outputs of one call, each with its past; the node keeps what the way back will read.
Vars with_past(const Primitive& primitive, Attrs attrs, std::vector<Array> out, const NodePtr& node, int64_t value) {
  Vars results;
  for (size_t i = 0; i < out.size(); ++i) {
    const int output = static_cast<int>(i);
    const Primitive::Past past =
        node && primitive.past ? primitive.past(attrs, output) : Primitive::Past{node && is_float(out[i].dtype), false};
    const int64_t number = value < 0 ? -1 : value + output;
    if (node) node->outs.emplace_back();
    if (past.kept) {
      node->outs.back().value = Var(out[i], nullptr, number);
      node->outs.back().version = version_of(node->outs.back().value);
    }
    results.push_back(Var(std::move(out[i]), past.recorded ? node : nullptr, number, false, output));
  }
  return results;
}

}  // namespace

Vars apply_all(const Primitive& primitive, const Vars& in, Attrs given) {
  std::vector<const Array*> arrays, places;
  std::vector<const Var*> inputs;
  bool tracked = false;
  for (const Var& x : in) {
    arrays.push_back(&x.array());
    inputs.push_back(&x);
    tracked |= x.tracked();
  }
  const int count = static_cast<int>(in.size());
  tracked &= record_calls && primitive.derivative != Primitive::Derivative::kZero;
  const OwnAttrs own = tracked && primitive.when_recorded ? primitive.when_recorded(given) : OwnAttrs();
  const Attrs attrs = Attrs(own) ? Attrs(own) : given;
  Layouts layouts = primitive.shapes({arrays.data(), count}, attrs);
  for (Layout& layout : layouts)
    if (layout.strides.size() != layout.shape.size()) layout.strides = row_major(layout.shape);
  int64_t value = -1;
  std::vector<Array> out;
  if (Graph* graph = tracing()) {
    value = graph->record(primitive, inputs.data(), count, attrs, layouts.data(), static_cast<int>(layouts.size()));
    for (const Layout& layout : layouts) {
      out.push_back(Array::placeholder(layout.shape, layout.dtype));
      out.back().strides = layout.strides;
    }
  } else {
    for (const Var& x : in) check_readable(x, primitive.name);
    for (const Layout& layout : layouts) out.push_back(Array::empty(layout));
    for (const Array& x : out) places.push_back(&x);
    primitive.eval_all({arrays.data(), count}, {places.data(), static_cast<int>(places.size())}, attrs);
    if (checking())
      check_made(primitive.name, arrays.data(), count, places.data(), static_cast<int>(places.size()),
                 source_of_call());
  }
  const NodePtr node = tracked ? remember(primitive, inputs.data(), count, attrs) : nullptr;
  return with_past(primitive, attrs, std::move(out), node, value);
}

Vars remember_all(const Primitive& primitive, const Vars& in, Attrs attrs, const Vars& outputs) {
  std::vector<const Var*> inputs;
  for (const Var& x : in) inputs.push_back(&x);
  const NodePtr node = remember(primitive, inputs.data(), static_cast<int>(in.size()), attrs);
  Vars results;
  for (const Var& y : outputs) {
    const int output = static_cast<int>(results.size());
    const Primitive::Past past = primitive.past(attrs, output);
    node->outs.emplace_back();
    if (past.kept) node->outs.back() = {detach(y), version_of(y)};
    const bool recorded = past.recorded && is_float(y.dtype());
    results.push_back(Var(y.array(), recorded ? node : nullptr, y.value(), false, output));
  }
  return results;
}

Vars apply_batched(const BatchedCall& b) {
  if (std::none_of(b.batched.begin(), b.batched.end(), [](bool batched) { return batched; }))
    return apply_any(b.primitive, b.in, b.attrs);
  if (!b.primitive.batch)
    throw TraceError("[vmap] " + std::string(b.primitive.name) + " has no batching rule; give the row one");
  return b.primitive.batch(b);
}

Var detach(const Var& x) { return x.tracked() || x.weak() ? Var(x.array(), nullptr, x.value()) : x; }

namespace {
Layout same(Inputs in, Attrs) {
  Layout layout = in[0].layout();
  layout.alias = 0;
  return layout;
}
void pass(Pullback& p) { p.gin[0] = p.g; }
constexpr Primitive kIdentity = primitive("identity", same).vjp(pass, kReadsNone).batch([](const BatchedCall& b) {
  return Vars{apply(b.primitive, {b[0]})};
});
}  // namespace

Var start_record(const Var& x) {
  if (x.tracked() && recording()) return apply(kIdentity, {x});
  return Var(x.array(), std::make_shared<Node>(), x.value());
}

Var close_record(const Var& x, const Vars& targets) {
  if (!x.tracked()) return x;
  uint64_t oldest = UINT64_MAX;
  for (const Var& target : targets) oldest = std::min(oldest, target.node()->number);
  return x.node()->oldest < oldest ? x : detach(x);
}

void check_differentiable(DType dtype, const char* what) {
  if (!is_float(dtype))
    throw DTypeError("[" + std::string(what) + "] only float32 and float64 arrays have derivatives, got " +
                     std::string(name_of(dtype)) + "; convert with astype");
}

Var leaf(const Array& array) {
  check_differentiable(array.dtype, "requires_grad");
  Var x(array, std::make_shared<Node>());
  x.node()->wants_gradient = true;
  return x;
}
bool is_leaf(const Var& x) { return x.tracked() && x.node()->wants_gradient; }
Var leaf_gradient(const Var& x) { return is_leaf(x) ? x.node()->gradient : Var(); }
void set_leaf_gradient(const Var& x, const Var& g) {
  if (!is_leaf(x)) throw TapeError("[grad] only an array made with requires_grad=True holds a gradient");
  x.node()->gradient = g;
}

}  // namespace fallline
