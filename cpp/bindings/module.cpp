// fallline._core: one register function per concept.
#include "bindings/bind.h"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "The compiled part of fallline; use the fallline package.";
  fallline::bind_errors(m);
  fallline::bind_info(m);
  fallline::bind_array(m);
  fallline::bind_elementwise(m);
  fallline::bind_functions(m);
  fallline::bind_number_slots(m);
  fallline::bind_indexing(m);
  fallline::bind_derivatives(m);
  fallline::bind_plan(m);
  fallline::bind_graph(m);
  fallline::bind_nn(m);
  fallline::bind_optim(m);
  fallline::bind_schedules(m);
  fallline::bind_train(m);
  fallline::bind_landscapes(m);
}
