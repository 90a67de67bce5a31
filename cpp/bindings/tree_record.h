// Is this tree of dicts, lists and tuples built like one seen before?
#ifndef FALLLINE_BINDINGS_TREE_RECORD_H_
#define FALLLINE_BINDINGS_TREE_RECORD_H_

#include <vector>

#include "bindings/bind.h"

namespace fallline {

// The containers and keys of one tree. Both walks call leaf(object) on each leaf, in order; it returns whether to go
// on. Dicts and lists of a class of their own count as leaves.
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

}  // namespace fallline

#endif  // FALLLINE_BINDINGS_TREE_RECORD_H_
