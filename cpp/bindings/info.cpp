// What is this build, and what does it run on?
#include "bindings/bind.h"

#include "simd/limits.h"
#include "simd/parallel.h"
#include "simd/targets.h"

namespace fallline {

void bind_info(py::module_& m) {
  try {
    active_target();  // read here what FALLLINE_TARGET names: an import that cannot be is an ImportError
  } catch (const std::invalid_argument& error) {
    throw py::import_error(error.what());
  }
  m.def("target", [] { return std::string(target_name(active_target())); });
  m.def("targets", [] {
    std::vector<std::string> names;
    for (Target target : supported_targets()) names.push_back(target_name(target));
    return names;
  });
  m.def("set_target", set_active_target);
  m.def("num_threads", num_threads);
  m.def("set_num_threads", set_num_threads);
  m.def("threads_that_worked", threads_that_worked);
  m.def("peak", [](py::handle dtype) { return to_dtype(dtype) == DType::kFloat64 ? peak_double() : peak_float(); });
  m.def("sweep_seconds", [](const py::sequence& objects) {
    Vars arrays;
    for (py::handle object : objects) arrays.push_back(to_var(object));
    std::vector<float*> pointers;
    for (const Var& x : arrays) {
      if (x.dtype() != DType::kFloat32 || !x.array().row_major() || x.array().size() != arrays[0].array().size()) {
        throw ShapeError("[limits] expected contiguous float32 arrays of one size");
      }
      pointers.push_back(x.array().as<float>());
    }
    if (pointers.size() < 2) throw std::invalid_argument("[limits] expected at least two arrays");
    py::gil_scoped_release release;
    return sweep_seconds(pointers.data(), static_cast<int>(pointers.size()) - 1, arrays[0].array().size());
  });
  m.def("default_dtype", [] { return to_numpy(default_dtype()); });
  m.def("set_default_dtype", [](py::handle dtype) { set_default_dtype(to_dtype(dtype)); });
  m.attr("build_flags") = FALLLINE_BUILD_FLAGS;
  m.attr("cuda") = static_cast<bool>(FALLLINE_CUDA);
  m.attr("version") = FALLLINE_VERSION;
}

}  // namespace fallline
