// How are derivatives found?
#include "primitives/backward.h"

#include <iterator>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "primitives/functions.h"
#include "record/few.h"
#include "record/node.h"

namespace fallline {
namespace {

// The gradients of one node's outputs that have arrived so far.
struct Arrived {
  NodePtr node;
  Var first;
  Vars all;  // of a row with several outputs, instead
  Var& of(int output) {
    if (!node->primitive || !node->primitive->shapes) return first;
    if (all.empty()) all.resize(node->outs.size());
    return all[static_cast<size_t>(output)];
  }
};

// The nodes that still have to pass theirs on.
class Walk {
 public:
  void add(const NodePtr& node, int output, Var g) {
    Arrived& arrived = waiting_[node->number];
    if (!arrived.node) arrived.node = node;
    Var& sum = arrived.of(output);
    sum = sum ? sum + g : std::move(g);
  }
  bool next(Arrived& arrived) {
    if (waiting_.empty()) return false;
    const auto newest = std::prev(waiting_.end());
    arrived = std::move(newest->second);
    waiting_.erase(newest);
    return true;
  }

 private:
  std::map<uint64_t, Arrived> waiting_;  // by the node's number
};

void check_has_derivative(const Primitive& primitive) {
  if (primitive.derivative == Primitive::Derivative::kNone)
    throw TapeError("[backward] " + std::string(primitive.name) +
                    " has no derivative; take fl.stop_gradient of its result where none is meant, or compute it with "
                    "functions that have one");
}

// Calls the primitive's vjp and hands the results to the inputs, summed over the axes that were broadcast.
void pull_back(const Node& node, const Var& out, const Vars& outs, const Arrived& arrived, uint64_t oldest_target,
               Walk& walk) {
  check_has_derivative(*node.primitive);
  if (node.let_go)
    throw TapeError("[backward] the record of " + std::string(node.primitive->name) +
                    " was let go by an earlier backward(retain_graph=False); leave that out to walk back twice");
  const int count = node.input_count;
  Few<Var, 4> in(count), gin(count);
  Few<Dims, 4> shapes(count);
  Few<bool, 4> wanted(count);
  const char* const name = node.primitive->name;
  for (int i = 0; i < count; ++i) {
    const Node::Input& input = node.inputs[i];
    shapes[i] = input.shape;
    wanted[i] = input.node && input.node->number >= oldest_target;
    if (!input.kept) continue;
    check_version(name, input.kept, input.version);
    in[i] = input.kept;
  }
  check_version(name, node.out, node.out_version);
  for (const auto& [kept, version] : node.outs) check_version(name, kept, version);
  Pullback p{arrived.first, in, out, node.attrs, shapes, wanted, gin, count, arrived.all, outs};
  const Origin scope(name, node.source);
  node.primitive->pull(p);
  for (int i = 0; i < count; ++i) {
    const Node::Input& input = node.inputs[i];
    if (!gin[i] || !wanted[i]) continue;
    if (gin[i].shape() != shapes[i]) gin[i] = sum_to(gin[i], shapes[i]);
    walk.add(input.node, input.output, std::move(gin[i]));
  }
}

// In a record of the way back, an output must again know where it came from.
Var with_node(const Var& out, const NodePtr& node, bool record, int output = 0) {
  return out && record ? Var(out.array(), node, out.value(), false, output) : out;
}

template <class Arrive>
void walk_back(Walk& walk, bool record, uint64_t oldest_target, Arrive&& arrive) {
  NoRecord scope(record);
  Arrived arrived;
  while (walk.next(arrived)) {
    const NodePtr& node = arrived.node;
    if (arrive(node, arrived.first) || !node->primitive) continue;
    Vars outs;
    for (const auto& [kept, version] : node->outs)
      outs.push_back(with_node(kept, node, record, static_cast<int>(outs.size())));
    if (record) {
      pull_back(*node, with_node(node->out, node, record), outs, arrived, oldest_target, walk);
    } else {
      pull_back(*node, node->out, outs, arrived, oldest_target, walk);
    }
  }
}

// Whoever asked may write into what comes out: each result gets memory of its own, and every element a place of its
// own.
void separate(Vars& results, const Vars& cotangents) {
  std::unordered_set<const void*> taken;
  for (const Var& g : cotangents)
    if (g.array().buffer) taken.insert(g.array().buffer->data());
  for (Var& g : results) {
    if (!g || !g.array().buffer) continue;  // in a trace a plan sees to it
    const Buffer& buffer = *g.array().buffer;
    if (buffer.borrowed() || !is_dense(g.shape(), g.array().strides) || !taken.insert(buffer.data()).second)
      g = copy(g);
  }
}

void check_cotangent(const Var& output, const Var& cotangent) {
  if (cotangent.shape() != output.shape())
    throw ShapeError("[backward] the cotangent has shape " + to_string(cotangent.shape()) + ", the output " +
                     to_string(output.shape()) + "; they must be equal");
}

}  // namespace

Vars gradients(const Vars& outputs, const Vars& cotangents, const Vars& targets) {
  uint64_t oldest_target = UINT64_MAX;
  for (const Var& target : targets) oldest_target = std::min(oldest_target, target.node()->number);
  Walk walk;
  bool record = false;
  for (size_t i = 0; i < outputs.size(); ++i) {
    check_cotangent(outputs[i], cotangents[i]);
    if (!outputs[i].tracked()) continue;
    record |= outputs[i].node()->oldest < oldest_target || cotangents[i].tracked();
    if (outputs[i].node()->number >= oldest_target) walk.add(outputs[i].node(), outputs[i].output(), cotangents[i]);
  }
  std::unordered_map<const Node*, size_t> place;
  for (size_t i = 0; i < targets.size(); ++i) place[targets[i].node().get()] = i;
  Vars result(targets.size());
  walk_back(walk, record && recording(), oldest_target, [&](const NodePtr& node, const Var& g) {
    const auto at = place.find(node.get());
    if (at == place.end()) return false;
    result[at->second] = g;
    return true;
  });
  separate(result, cotangents);
  return result;
}

Vars or_zeros(Vars found, const Vars& targets) {
  for (size_t i = 0; i < found.size(); ++i)
    if (!found[i]) found[i] = copy(zeros(targets[i].shape(), targets[i].dtype()));
  return found;
}

void check_scalar(const Var& value) {
  if (value.array().size() != 1)
    throw ShapeError("[grad] the function must return a scalar, got shape " + to_string(value.shape()) +
                     "; take the sum or mean");
  if (!is_float(value.dtype()))
    throw DTypeError("[grad] the function must return a float, got " + std::string(name_of(value.dtype())));
}

Var dense_ones(const Dims& shape, DType dtype) {
  const Var one = ones(shape, dtype);
  return shape.empty() ? one : copy(one);
}

void backward(const Var& output, const Var& cotangent, bool record, bool retain) {
  check_cotangent(output, cotangent);
  if (!output.tracked())
    throw TapeError("[backward] nothing was recorded: no input was made with requires_grad=True, or it ran in no_grad");
  Walk walk;
  walk.add(output.node(), output.output(), cotangent);
  std::vector<NodePtr> walked;
  // The node is shared by all handles on the leaf, hence the cast.
  walk_back(walk, record, 0, [&](const NodePtr& shared, const Var& g) {
    const Node& node = *shared;
    if (!retain && node.primitive) walked.push_back(shared);
    if (!node.wants_gradient) return false;
    Var& sum = const_cast<Node&>(node).gradient;
    sum = sum ? sum + g : (record ? g : copy(g));
    return true;
  });
  for (const NodePtr& node : walked) node->forget();
}

}  // namespace fallline
