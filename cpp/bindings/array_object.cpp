// What is fl.Array to the interpreter?  Its life and its memory; methods are added elsewhere.
#include "bindings/slots.h"

#include <structmember.h>

#include <cstddef>

namespace fallline {
namespace {

PyObject* refuse_new(PyTypeObject* type, PyObject*, PyObject*) {
  PyErr_Format(PyExc_TypeError, "[Array] %s has no constructor; make arrays with fl.asarray and other functions",
               type->tp_name);
  return nullptr;
}

void deallocate(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  auto* object = reinterpret_cast<ArrayObject*>(self);
  if (object->weak_references) PyObject_ClearWeakRefs(self);
  object->var.~Var();
  type->tp_free(self);
  Py_DECREF(type);
}

// What a Py_buffer points to, as long as it is held.
struct Exported {
  Var var;  // whose memory stays, even if the array is given away
  Py_ssize_t shape[kMaxDims], strides[kMaxDims];
};

// Why the memory cannot be given in the form that the flags ask for; null where it can.
const char* refusal(const Py_buffer& view, int flags) {
  const auto asked = [&](int form) { return (flags & form) == form; };
  if (asked(PyBUF_WRITABLE) && view.readonly) return "Writable buffer requested for readonly storage";
  if (asked(PyBUF_C_CONTIGUOUS) || !asked(PyBUF_STRIDES))
    return PyBuffer_IsContiguous(&view, 'C') ? nullptr : "C-contiguous buffer requested for discontiguous storage";
  if (asked(PyBUF_F_CONTIGUOUS))
    return PyBuffer_IsContiguous(&view, 'F') ? nullptr
                                             : "Fortran-contiguous buffer requested for discontiguous storage";
  if (asked(PyBUF_ANY_CONTIGUOUS) && !PyBuffer_IsContiguous(&view, 'A'))
    return "Contiguous buffer requested for discontiguous storage";
  return nullptr;
}

void fill(Py_buffer& view, const Array& a, Exported& exported) {
  const DTypeInfo& type = info(a.dtype);
  for (int i = 0; i < a.ndim(); ++i) {
    exported.shape[i] = static_cast<Py_ssize_t>(a.shape[i]);
    exported.strides[i] = static_cast<Py_ssize_t>(a.strides[i] * static_cast<int64_t>(type.size));
  }
  view.buf = a.data;
  view.len = static_cast<Py_ssize_t>(a.bytes());
  view.itemsize = static_cast<Py_ssize_t>(type.size);
  view.readonly = !a.buffer->writable();
  view.ndim = a.ndim();
  view.format = const_cast<char*>(type.format);
  view.shape = exported.shape;
  view.strides = exported.strides;
}

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  *view = {};
  const Var& x = *as_array(self);
  const auto readable = [&] {
    check_readable(x, "buffer");
    return self;
  };
  if (!guarded(readable)) {
    py::raise_from(PyExc_BufferError, "Error getting buffer");
    return -1;
  }
  auto exported = std::make_unique<Exported>();
  exported->var = x;
  fill(*view, x.array(), *exported);
  if (const char* reason = refusal(*view, flags)) {
    PyErr_SetString(PyExc_BufferError, reason);
    return -1;
  }
  if ((flags & PyBUF_FORMAT) != PyBUF_FORMAT) view->format = nullptr;
  if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES) view->strides = nullptr;
  if ((flags & PyBUF_ND) != PyBUF_ND) view->shape = nullptr, view->ndim = 0;  // all elements in one row
  view->internal = exported.release();
  view->obj = Py_NewRef(self);
  return 0;
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<Exported*>(view->internal); }

template <class F>
void* slot(F* f) {
  return reinterpret_cast<void*>(f);
}

}  // namespace

PyTypeObject* array_type = nullptr;

PyTypeObject* make_array_type(PyGetSetDef* attributes) {
  static PyMemberDef members[] = {
      {"__weaklistoffset__", T_PYSSIZET, offsetof(ArrayObject, weak_references), READONLY, nullptr}, {}};
  PyType_Slot slots[] = {{Py_tp_new, slot(refuse_new)},
                         {Py_tp_dealloc, slot(deallocate)},
                         {Py_tp_members, members},
                         {Py_tp_getset, attributes},
                         {Py_bf_getbuffer, slot(get_buffer)},
                         {Py_bf_releasebuffer, slot(release_buffer)},
                         {0, nullptr}};
  PyType_Spec spec = {"fallline._core.Array", sizeof(ArrayObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};
  PyObject* const made = PyType_FromSpec(&spec);
  if (!made) throw py::error_already_set();
  return array_type = reinterpret_cast<PyTypeObject*>(made);
}

PyObject* to_python(Var x) {
  auto* object = PyObject_New(ArrayObject, array_type);
  if (!object) throw py::error_already_set();
  object->weak_references = nullptr;
  new (&object->var) Var(std::move(x));
  return reinterpret_cast<PyObject*>(object);
}

}  // namespace fallline
