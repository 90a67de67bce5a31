// The landscapes for numbers and for graph values, and the walk.
#include "train/path.h"

#include <algorithm>
#include <iterator>

#include "primitives/functions.h"
#include "ops/random.h"
#include "train/dual.h"

namespace fallline {

namespace taped {
#include "train/landscape.inc.h"
#define FL_ROW(Name) &Name::f<Var>,
constexpr Var (*kLandscapes[])(Var, Var) = {FL_LANDSCAPES(FL_ROW)};
#undef FL_ROW
}  // namespace taped

int landscape_count() { return static_cast<int>(std::size(landscapes::kLandscapes)); }
const LandscapeRow& landscape(int index) { return landscapes::kLandscapes[index]; }
Var landscape(int index, const Var& x, const Var& y) { return taped::kLandscapes[index](x, y); }

void shuffle_epoch(uint64_t seed, int64_t epoch, int64_t n, int64_t* rows) {
  const Array order = Array::empty({n}, DType::kInt64);
  random_order(derive_key(seed, 0), static_cast<uint64_t>(epoch) << 32, order);
  std::copy_n(order.as<int64_t>(), n, rows);
}

namespace {

template <class T>
void walk_in(Terrain& terrain, const Walker& walker, int64_t steps, double* points, double* losses, double* gradients) {
  T* const w = static_cast<T*>(walker.tensor.w);
  RuleTensor tensor = walker.tensor;
  T g[2];
  tensor.g = g;
  const int64_t end = lay_out(&tensor, 1);
  double found[3];
  for (int64_t t = 0;; ++t) {
    const double at[2] = {static_cast<double>(w[0]), static_cast<double>(w[1])};
    std::copy_n(at, 2, points + 2 * t);
    terrain.value(t, at, found);
    losses[t] = found[0];
    if (t == steps) return;
    if (!terrain.whole()) terrain.batch_value(t, at, found);
    for (int i = 0; i < 2; ++i) {
      g[i] = static_cast<T>(found[i + 1]);
      gradients[2 * t + i] = static_cast<double>(g[i]);
    }
    rule_step(walker.rule, walker.dtype, walker.hypers + t * walker.rule.hyper_count, walker.t + t + 1, &tensor, 1,
              end);
  }
}

}  // namespace

void walk(Terrain& terrain, const Walker& walker, int64_t steps, double* points, double* losses, double* gradients) {
  const auto run = walker.dtype == DType::kFloat64 ? walk_in<double> : walk_in<float>;
  run(terrain, walker, steps, points, losses, gradients);
}

}  // namespace fallline
