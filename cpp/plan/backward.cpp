// How are derivatives found?
#include "plan/backward.h"

#include <iterator>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "primitives/functions.h"
#include "plan/nested.h"
#include "record/node.h"

namespace fallline {
namespace {

// The gradients that have arrived so far, and the nodes that still have to pass theirs on.
class Walk {
 public:
  void add(const NodePtr& node, Var g) {
    Arrived& arrived = waiting_[node->number];
    if (!arrived.node) arrived.node = node;
    arrived.g = arrived.g ? arrived.g + g : std::move(g);
  }
  // Result number i of a call with several.
  void add_result(const NodePtr& call, size_t i, const Var& g) {
    Vars& results = results_[call.get()];
    if (results.empty()) {
      results.resize(call->nested->body->outputs.size());
      add(call, g);
    }
    results[i] = results[i] ? results[i] + g : g;  // each way back gives a result another node
  }
  Vars take_results(const Node& call) {
    const auto at = results_.find(&call);
    Vars results = std::move(at->second);
    results_.erase(at);
    return results;
  }
  bool next(NodePtr& node, Var& g) {
    if (waiting_.empty()) return false;
    const auto newest = std::prev(waiting_.end());
    node = std::move(newest->second.node);
    g = std::move(newest->second.g);
    waiting_.erase(newest);
    return true;
  }

 private:
  struct Arrived {
    NodePtr node;
    Var g;
  };
  std::map<uint64_t, Arrived> waiting_;  // by the node's number
  std::unordered_map<const Node*, Vars> results_;
};

void check_version(const Node& node, const Var& kept, uint32_t version) {
  if (kept && kept.array().buffer && kept.array().buffer->version() != version)
    throw TapeError("[backward] " + std::string(node.primitive->name) + " needs an array of shape " +
                    to_string(kept.shape()) +
                    " that was written to after it was recorded; copy it before writing, or write after backward");
}

void check_has_derivative(const Primitive& primitive) {
  if (primitive.derivative == Primitive::Derivative::kNone)
    throw TapeError("[backward] " + std::string(primitive.name) +
                    " has no derivative; take fl.stop_gradient of its result where none is meant, or compute it with "
                    "functions that have one");
}

// Calls the primitive's vjp and hands the results to the inputs, summed over the axes that were broadcast.
void pull_back(const Node& node, const Var& out, const Var& g, uint64_t oldest_target, Walk& walk) {
  check_has_derivative(*node.primitive);
  constexpr int kFew = 4;
  Var few_in[kFew], few_gin[kFew];
  Dims few_shapes[kFew];
  const size_t count = static_cast<size_t>(node.input_count);
  std::vector<Var> many_in, many_gin;
  std::vector<Dims> many_shapes;
  Var *in = few_in, *gin = few_gin;
  Dims* shapes = few_shapes;
  if (node.input_count > kFew) {
    many_in.resize(count);
    many_gin.resize(count);
    many_shapes.resize(count);
    in = many_in.data();
    gin = many_gin.data();
    shapes = many_shapes.data();
  }
  uint32_t wanted = 0;
  for (size_t i = 0; i < count; ++i) {
    const Node::Input& input = node.inputs[i];
    shapes[i] = input.shape;
    if (input.node && input.node->number >= oldest_target) wanted |= i < 32 ? 1u << i : 0;
    if (!input.kept) continue;
    check_version(node, input.kept, input.version);
    in[i] = input.kept;
  }
  check_version(node, node.out, node.out_version);
  Pullback p{g, in, out, node.attrs, shapes, wanted, gin};
  node.primitive->pull(p);
  for (size_t i = 0; i < count; ++i) {
    const Node::Input& input = node.inputs[i];
    if (!gin[i] || !input.node || input.node->number < oldest_target) continue;
    if (gin[i].shape() != shapes[i]) gin[i] = sum_to(gin[i], shapes[i]);
    walk.add(input.node, std::move(gin[i]));
  }
}

void pull_back_nested(const NodePtr& node, uint64_t oldest_target, Walk& walk) {
  std::vector<bool> wanted;
  for (int i = 0; i < node->input_count; ++i) {
    const Node::Input& input = node->inputs[static_cast<size_t>(i)];
    check_version(*node, input.kept, input.version);
    wanted.push_back(input.node && input.node->number >= oldest_target);
  }
  for (const auto& [kept, version] : node->nested->constants) check_version(*node, kept, version);
  const Vars gin = pull_nested(node, walk.take_results(*node), wanted);
  for (size_t i = 0; i < gin.size(); ++i)
    if (gin[i]) walk.add(node->inputs[i].node, gin[i]);
}

// In a record of the way back, an output must again know where it came from.
Var with_node(const Var& out, const NodePtr& node) { return out ? Var(out.array(), node, out.value()) : out; }

template <class Arrive>
void walk_back(Walk& walk, bool record, uint64_t oldest_target, Arrive&& arrive) {
  NoRecord scope(record);
  NodePtr node;
  Var g;
  while (walk.next(node, g)) {
    if (arrive(*node, g) || !node->primitive) continue;
    if (node->nested) {
      pull_back_nested(node, oldest_target, walk);
    } else if (node->primitive == &result_primitive()) {
      const NodePtr& call = node->inputs[0].node;
      if (call->number >= oldest_target) walk.add_result(call, node->attrs.as<ResultAttrs>().number, g);
    } else if (record) {
      pull_back(*node, with_node(node->out, node), g, oldest_target, walk);
    } else {
      pull_back(*node, node->out, g, oldest_target, walk);
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
    if (outputs[i].node()->number >= oldest_target) walk.add(outputs[i].node(), cotangents[i]);
  }
  std::unordered_map<const Node*, size_t> place;
  for (size_t i = 0; i < targets.size(); ++i) place[targets[i].node().get()] = i;
  Vars result(targets.size());
  walk_back(walk, record && recording(), oldest_target, [&](const Node& node, const Var& g) {
    const auto at = place.find(&node);
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

void backward(const Var& output, const Var& cotangent, bool record) {
  check_cotangent(output, cotangent);
  if (!output.tracked())
    throw TapeError("[backward] nothing was recorded: no input was made with requires_grad=True, or it ran in no_grad");
  Walk walk;
  walk.add(output.node(), cotangent);
  // The node is shared by all handles on the leaf, hence the cast.
  walk_back(walk, record, 0, [&](const Node& node, const Var& g) {
    if (!node.wants_gradient) return false;
    Var& sum = const_cast<Node&>(node).gradient;
    sum = sum ? sum + g : (record ? g : copy(g));
    return true;
  });
}

}  // namespace fallline
