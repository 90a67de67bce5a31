// Matching of trees and arrays against those of the last checked step; a mismatch only costs a check in Python.
#include "bindings/stepper.h"

#include <algorithm>

namespace fallline {
namespace {

using Npy = py::detail::npy_api;

int64_t count(const std::vector<RuleTensor>& tensors) { return static_cast<int64_t>(tensors.size()); }

bool column_major(const Array& array) {
  int64_t step = 1;
  for (int i = 0; i < array.ndim(); ++i) {
    if (array.shape[i] != 1 && array.strides[i] != step) return false;
    step *= array.shape[i];
  }
  return true;
}

bool flat(const Array& array, int order) {
  return array.size() == 0 || ((!(order & Npy::NPY_ARRAY_C_CONTIGUOUS_) || array.row_major()) &&
                               (!(order & Npy::NPY_ARRAY_F_CONTIGUOUS_) || column_major(array)));
}

}  // namespace

Batch::Batch(Precision how, const py::list& ws, const py::list& gs, const py::list& slots) : precision(how) {
  for (size_t i = 0; i < ws.size(); ++i) {
    const py::array w = ws[i];
    RuleTensor tensor{w.size(), const_cast<void*>(w.data()), py::array(gs[i]).data(), {}, 0};
    const py::list state = slots[i];
    for (size_t s = 0; s < state.size(); ++s) tensor.slots[s] = py::array(state[s]).mutable_data();
    tensors[w.itemsize() == 8].push_back(tensor);
  }
  for (int d = 0; d < 2; ++d) ends[d] = lay_out(tensors[d].data(), count(tensors[d]), precision);
}

// The GIL is kept for what takes less time than others need to make use of it.
void Batch::step(const Rule& rule, py::handle row, int64_t t) const {
  const auto* hypers = reinterpret_cast<const double*>(py::detail::array_proxy(row.ptr())->data);
  std::optional<py::gil_scoped_release> released;
  if (ends[0] + ends[1] > kUnlockedElements) released.emplace();
  for (int d = 0; d < 2; ++d) {
    const DType dtype = d ? DType::kFloat64 : DType::kFloat32;
    if (ends[d]) rule_step(rule, dtype, hypers, t, tensors[d].data(), count(tensors[d]), ends[d], precision);
  }
}

Stepper::Param Stepper::describe(py::handle object, const py::array& memory) {
  const auto* array = py::detail::array_proxy(memory.ptr());
  const int order = array->flags & (Npy::NPY_ARRAY_C_CONTIGUOUS_ | Npy::NPY_ARRAY_F_CONTIGUOUS_);
  const Var* var = as_array(object);
  return {py::reinterpret_borrow<py::object>(object),
          array->descr,
          static_cast<size_t>(memory.itemsize()),
          order,
          {array->dimensions, array->dimensions + array->nd},
          memory.nbytes(),
          var ? var->array().buffer : nullptr,
          nullptr};
}

// The elements of an array that looks like the parameter, else null.
void* Stepper::data_of(PyObject* object, const Param& like, bool writable) {
  const auto ndim = static_cast<int>(like.shape.size());
  if (Py_TYPE(object) == Npy::get().PyArray_Type_) {
    const auto* array = py::detail::array_proxy(object);
    const int flags = like.order | Npy::NPY_ARRAY_ALIGNED_ | (writable ? Npy::NPY_ARRAY_WRITEABLE_ : 0);
    const bool same = array->descr == like.dtype && (array->flags & flags) == flags && array->nd == ndim &&
                      std::equal(like.shape.begin(), like.shape.end(), array->dimensions);
    return same ? array->data : nullptr;
  }
  const Var* var = as_array(object);
  if (!var || !var->array().buffer) return nullptr;
  const Array& array = var->array();
  bool same = is_float(array.dtype) && size_of(array.dtype) == like.itemsize && array.ndim() == ndim &&
              (!writable || array.buffer->writable()) && flat(array, like.order);
  for (int i = 0; same && i < ndim; ++i) same = array.shape[i] == like.shape[static_cast<size_t>(i)];
  return same ? array.data : nullptr;
}

void Stepper::remember(py::handle params, py::handle grads, const py::list& ws, const py::list& gs,
                       const py::list& slots, const std::vector<size_t>& order) {
  forget();
  bounds_.clear();
  slots_ = slots;
  params_tree_.record(params.ptr(), [&](PyObject* leaf) {
    if (params_.size() < ws.size()) params_.push_back(describe(leaf, ws[params_.size()]));
    return true;
  });
  size_t grad_count = 0;
  grads_tree_.record(grads.ptr(), [&](PyObject*) { return ++grad_count > 0; });
  if (params_.size() != ws.size() || grad_count != ws.size()) return;  // a module among the leaves
  batch_.emplace(precision_, ws, gs, slots);
  place_.resize(order.size());
  size_t next[2] = {0, 0};
  for (size_t i = 0; i < order.size(); ++i) {
    const int d = py::array(ws[i]).itemsize() == 8;
    Param& p = params_[i];
    p.tensor = &batch_->tensors[d][next[d]++];
    place_[order[i]] = i;
    const Address begin = static_cast<Address>(p.tensor->w);
    bounds_.push_back({begin, begin + p.bytes});
  }
  std::sort(bounds_.begin(), bounds_.end());
  for (size_t i = 1; i < bounds_.size(); ++i) bounds_[i].second = std::max(bounds_[i].second, bounds_[i - 1].second);
}

bool Stepper::step(py::handle params, py::handle grads, py::handle row, int64_t t) {
  if (!batch_) return false;
  size_t i = 0;
  const auto same_param = [&](PyObject* leaf) {
    if (i == params_.size()) return false;
    const Param& p = params_[i++];
    return p.object.ptr() == leaf && data_of(leaf, p, true) == p.tensor->w;
  };
  const auto take_gradient = [&](PyObject* leaf) {
    if (i == params_.size()) return false;
    const Param& p = params_[place_[i++]];
    p.tensor->g = data_of(leaf, p, false);
    return p.tensor->g && (p.tensor->g == p.tensor->w || !overlaps(p));
  };
  if (!params_tree_.match(params.ptr(), same_param) || i != params_.size()) return false;
  i = 0;
  if (!grads_tree_.match(grads.ptr(), take_gradient) || i != params_.size()) return false;
  batch_->step(rule(rule_), row, t);
  for (const Param& p : params_) {
    if (p.buffer) p.buffer->bump();
  }
  return true;
}

// May the gradient touch any parameter?
bool Stepper::overlaps(const Param& p) const {
  const Address begin = static_cast<Address>(p.tensor->g);
  const auto next = std::lower_bound(bounds_.begin(), bounds_.end(), std::make_pair(begin + p.bytes, Address()));
  return next != bounds_.begin() && (next - 1)->second > begin;
}

}  // namespace fallline
