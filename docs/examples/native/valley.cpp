// Descends Rosenbrock's valley in C++: the gradient by recording calls, the update by a rule of the table.
#include <cmath>
#include <cstdio>
#include <vector>

#include "primitives/functions.h"
#include "optim/rules.h"

using namespace fallline;

// f(x, y) = (1 - x)^2 + 100 (y - x^2)^2, with its minimum at (1, 1). Rosenbrock 1960.
static Var valley(const Var& w) {
  const Var x = slice(w, {0}, {1}, {1}), y = slice(w, {1}, {1}, {1});
  return sum(square(1 - x) + 100 * square(y - square(x)), {0}, false);
}

static Array filled(double value) {
  Array a = Array::empty({2}, DType::kFloat64);
  a.as<double>()[0] = a.as<double>()[1] = value;
  return a;
}

int main() {
  const Rule& adam = rule(rule_index("adam"));
  std::vector<double> hypers;
  for (int i = 0; i < adam.hyper_count; ++i) hypers.push_back(adam.hypers[i].value);
  hypers[0] = 0.02;  // lr

  const Array w = filled(-1.5), m = filled(0), v = filled(0);
  for (int t = 1; t <= 20000; ++t) {
    const Var x = start_record(Var(w)), f = valley(x);
    const Array g = copy(gradients({f}, {Var(1.0)}, {x})[0]).array();
    if (t % 4000 == 1) std::printf("step %5d: f = %.3e\n", t, *f.array().as<double>());

    RuleTensor tensor = {w.size(), w.data, g.data, {m.data, v.data}, 0};
    const int64_t end = lay_out(&tensor, 1);
    rule_step(adam, DType::kFloat64, hypers.data(), t, &tensor, 1, end);
  }
  const double x = w.as<double>()[0], y = w.as<double>()[1];
  std::printf("minimum at (%.6f, %.6f)\n", x, y);
  return std::abs(x - 1) + std::abs(y - 1) < 1e-3 ? 0 : 1;
}
