// How do Python's trees of arrays reach the native step?  Python checks them once; here they are recognised again.
#include "bindings/bind.h"

#include <algorithm>
#include <optional>

#include "optim/rules.h"

namespace fallline {
namespace {

using Npy = py::detail::npy_api;

// What an array must look like for the kernel; `order` holds NumPy's two bits for flat memory.
struct Leaf {
  PyObject* dtype;
  int order;
  std::vector<Py_ssize_t> shape;
};

// The elements of an array that looks so, else null.
void* data_of(PyObject* object, const Leaf& leaf, int more_flags) {
  if (Py_TYPE(object) != Npy::get().PyArray_Type_) return nullptr;
  const auto* array = py::detail::array_proxy(object);
  const int flags = leaf.order | Npy::NPY_ARRAY_ALIGNED_ | more_flags;
  const bool same = array->descr == leaf.dtype && (array->flags & flags) == flags &&
                    array->nd == static_cast<int>(leaf.shape.size()) &&
                    std::equal(leaf.shape.begin(), leaf.shape.end(), array->dimensions);
  return same ? array->data : nullptr;
}

// The containers and keys of a tree, to see whether another one is built alike.
class TreeRecord {
 public:
  template <class F>
  void record(PyObject* tree, F&& leaf) {
    tokens_.clear();
    recording_ = true;
    visit(tree, leaf);
    recording_ = false;
  }
  template <class F>
  bool match(PyObject* tree, F&& leaf) {
    next_ = 0;
    return visit(tree, leaf) && next_ == tokens_.size();
  }

 private:
  struct Token {
    py::object key;
    Py_ssize_t size;
  };

  bool token(void* key_or_type, Py_ssize_t size) {
    PyObject* key = static_cast<PyObject*>(key_or_type);
    if (recording_) tokens_.push_back({py::reinterpret_borrow<py::object>(key), size});
    if (recording_) return true;
    if (next_ == tokens_.size() || tokens_[next_].size != size) return false;
    PyObject* known = tokens_[next_++].key.ptr();
    return known == key || (PyUnicode_CheckExact(known) && PyUnicode_CheckExact(key) && !PyUnicode_Compare(known, key));
  }
  template <class F>
  bool visit(PyObject* node, F& leaf) {
    if (PyDict_CheckExact(node)) {
      bool same = token(&PyDict_Type, PyDict_GET_SIZE(node));
      PyObject *key, *value;
      for (Py_ssize_t at = 0; same && PyDict_Next(node, &at, &key, &value);) same = token(key, 0) && visit(value, leaf);
      return same;
    }
    if (!PyList_CheckExact(node) && !PyTuple_Check(node)) return leaf(node);
    bool same = token(Py_TYPE(node), PySequence_Fast_GET_SIZE(node));
    for (Py_ssize_t i = 0; same && i < PySequence_Fast_GET_SIZE(node); ++i) {
      same = visit(PySequence_Fast_GET_ITEM(node, i), leaf);
    }
    return same;
  }

  std::vector<Token> tokens_;
  size_t next_ = 0;
  bool recording_ = false;
};

// The tensors of one step, float32 and float64 apart.
struct Batch {
  std::vector<RuleTensor> tensors[2];
  int64_t ends[2];

  Batch(const py::list& ws, const py::list& gs, const py::list& slots) {
    for (size_t i = 0; i < ws.size(); ++i) {
      const py::array w = ws[i];
      RuleTensor tensor{w.size(), const_cast<void*>(w.data()), py::array(gs[i]).data(), {}, 0};
      const py::list state = slots[i];
      for (size_t s = 0; s < state.size(); ++s) tensor.slots[s] = py::array(state[s]).mutable_data();
      tensors[w.itemsize() == 8].push_back(tensor);
    }
    for (int d = 0; d < 2; ++d) ends[d] = lay_out(tensors[d].data(), count(d));
  }
  int64_t count(int d) const { return static_cast<int64_t>(tensors[d].size()); }

  // The GIL is kept for what takes less time than others need to make use of it.
  void step(const Rule& rule, py::handle row, int64_t t) const {
    constexpr int64_t kLong = 1 << 15;
    const auto* hypers = reinterpret_cast<const double*>(py::detail::array_proxy(row.ptr())->data);
    std::optional<py::gil_scoped_release> released;
    if (ends[0] + ends[1] > kLong) released.emplace();
    for (int d = 0; d < 2; ++d) {
      rule_step(rule, d ? DType::kFloat64 : DType::kFloat32, hypers, t, tensors[d].data(), count(d), ends[d]);
    }
  }
};

// Recognises the trees of the last checked step: the same parameters, and gradients that look like the last ones.
class Stepper {
 public:
  explicit Stepper(const std::string& rule_name) : rule_(rule_index(rule_name)) {}

  void forget() { batch_.reset(); }

  // Everything was checked, is flat and in one order; gradient i stands at place order[i] of the tree `grads`.
  void remember(py::handle params, py::handle grads, const py::list& ws, const py::list& gs, const py::list& slots,
                const std::vector<size_t>& order) {
    batch_.emplace(ws, gs, slots);
    state_ = slots;
    params_.clear();
    tree_.record(params.ptr(), [&](PyObject* leaf) { return params_.push_back(describe(leaf)), true; });
    grads_.record(grads.ptr(), [](PyObject*) { return true; });
    size_t next[2] = {0, 0};
    place_.resize(order.size());
    for (size_t i = 0; i < order.size(); ++i) {
      const int d = py::array(ws[i]).itemsize() == 8;
      params_[i].tensor = &batch_->tensors[d][next[d]++];
      place_[order[i]] = i;
    }
    bounds_.clear();
    for (const Param& p : params_) bounds_.push_back({begin_of(p), end_of(p)});
    std::sort(bounds_.begin(), bounds_.end());
    for (size_t i = 1; i < bounds_.size(); ++i) bounds_[i].second = std::max(bounds_[i].second, bounds_[i - 1].second);
  }

  // False, and nothing done, when these are not the trees that were remembered.
  bool step(py::handle params, py::handle grads, py::handle row, int64_t t) {
    if (!batch_) return false;
    size_t i = 0;
    const auto same_param = [&](PyObject* leaf) {
      if (i == params_.size()) return false;
      const Param& p = params_[i++];
      return p.object.ptr() == leaf && data_of(leaf, p.leaf, Npy::NPY_ARRAY_WRITEABLE_) == p.tensor->w;
    };
    const auto take_gradient = [&](PyObject* leaf) {
      if (i == params_.size()) return false;
      const Param& p = params_[place_[i++]];
      p.tensor->g = data_of(leaf, p.leaf, 0);
      return p.tensor->g && (p.tensor->g == p.tensor->w || !overlaps(p));
    };
    if (!tree_.match(params.ptr(), same_param) || i != params_.size()) return false;
    i = 0;
    if (!grads_.match(grads.ptr(), take_gradient) || i != params_.size()) return false;
    batch_->step(rule(rule_), row, t);
    return true;
  }

 private:
  struct Param {
    py::object object;
    Leaf leaf;
    Py_ssize_t bytes;
    RuleTensor* tensor;
  };
  using Address = const char*;

  static Param describe(PyObject* object) {
    const auto* array = py::detail::array_proxy(object);
    const int order = array->flags & (Npy::NPY_ARRAY_C_CONTIGUOUS_ | Npy::NPY_ARRAY_F_CONTIGUOUS_);
    const auto view = py::reinterpret_borrow<py::array>(object);
    return {view, {array->descr, order, {array->dimensions, array->dimensions + array->nd}}, view.nbytes(), nullptr};
  }
  static Address begin_of(const Param& p) { return static_cast<Address>(p.tensor->w); }
  static Address end_of(const Param& p) { return begin_of(p) + p.bytes; }
  // May the gradient touch any parameter?
  bool overlaps(const Param& p) const {
    const Address begin = static_cast<Address>(p.tensor->g);
    const auto next = std::lower_bound(bounds_.begin(), bounds_.end(), std::make_pair(begin + p.bytes, Address()));
    return next != bounds_.begin() && (next - 1)->second > begin;
  }

  int rule_;
  std::optional<Batch> batch_;
  py::list state_;  // keeps the slots alive
  TreeRecord tree_, grads_;
  std::vector<Param> params_;
  std::vector<size_t> place_;                        // of the parameter that belongs to each leaf of the gradients
  std::vector<std::pair<Address, Address>> bounds_;  // by address; the second is the furthest end so far
};

py::tuple rule_info(const std::string& name) {
  static constexpr const char* kRanges[] = {"any", "nonnegative", "unit", "flag"};
  const Rule& found = rule(rule_index(name));
  py::dict slots;
  for (int i = 0; i < found.slot_count; ++i) slots[found.slots[i].name] = found.slots[i].starts_at;
  py::list hypers;
  for (int i = 0; i < found.hyper_count; ++i) {
    const Hyper& h = found.hypers[i];
    hypers.append(py::make_tuple(h.name, h.value, kRanges[static_cast<int>(h.range)]));
  }
  return py::make_tuple(slots, hypers);
}

}  // namespace

void bind_optim(py::module_& m) {
  py::class_<Rule>(m, "Rule").def_readonly("name", &Rule::name);
  m.def(
      "rule", [](const std::string& name) { return &rule(rule_index(name)); }, py::return_value_policy::reference);
  m.def("rule_names", [] {
    py::list names;
    for (int i = 0; i < rule_count(); ++i) names.append(rule(i).name);
    return names;
  });
  m.def("rule_info", &rule_info);
  m.def("rule_step", [](const std::string& name, const py::list& ws, const py::list& gs, const py::list& slots,
                        py::handle row, int64_t t) { Batch(ws, gs, slots).step(rule(rule_index(name)), row, t); });
  py::class_<Stepper>(m, "Stepper")
      .def(py::init<const std::string&>())
      .def("step", &Stepper::step)
      .def("remember", &Stepper::remember)
      .def("forget", &Stepper::forget);
}

}  // namespace fallline
