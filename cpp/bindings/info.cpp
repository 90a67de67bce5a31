// What is this build, and what does it run on?
#include "bindings/bind.h"

#include "simd/parallel.h"
#include "simd/targets.h"

namespace fallline {

void bind_info(py::module_& m) {
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
  m.def("default_dtype", [] { return to_numpy(default_dtype()); });
  m.def("set_default_dtype", [](py::handle dtype) { set_default_dtype(to_dtype(dtype)); });
  m.attr("build_flags") = FALLLINE_BUILD_FLAGS;
  m.attr("cuda") = static_cast<bool>(FALLLINE_CUDA);
  m.attr("version") = FALLLINE_VERSION;
}

}  // namespace fallline
