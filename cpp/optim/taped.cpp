// The rules instantiated for graph values.
#include "optim/taped.h"

#include <utility>

#include "primitives/functions.h"
#include "optim/coef.h"

#define FL_FN inline

namespace fallline {
namespace taped {

// With derivative zero at zero: a parameter whose gradients were all zero does not move, whatever the learning rate.
inline Var root(const Var& x) {
  const Var zero = x == 0;
  return select(zero, x, sqrt(select(zero, x + 1, x)));
}

// With a divisor that has a derivative everywhere.
inline Var over(const Var& a, const Var& b) {
  const Var none = b == 0;
  return select(none, 0, a / select(none, 1, b));
}

inline Var square_bound(const Var& g) { return g.dtype() == DType::kFloat32 ? 0x1p62 : 0x1p510; }
inline Var least_root(const Var& x) { return x.dtype() == DType::kFloat32 ? 0x1p-63 : 0x1p-511; }

// A number that was given as one; an array may have any value.
inline bool warm(const Var& warmup, int64_t t) {
  return warmup.weak() && warmup.dtype() == DType::kFloat64 && static_cast<double>(t) >= *warmup.array().as<double>();
}

#include "optim/rules.inc.h"

template <class R, size_t... I>
void update(const Coef<Var>& k, const Var& g, Var& w, Vars& s, std::index_sequence<I...>) {
  update<R>(k, g, w, s[I]...);
}

template <class R>
Vars step(const Var* hypers, int64_t t, Var g, Var w, Vars s) {
  const Coef<Var> k = coefficients<R, Var>(hypers, t);
  update<R>(k, g, w, s, std::make_index_sequence<R::kSlots.size()>());
  s.insert(s.begin(), w);
  return s;
}

#define FL_ROW(Name) &step<Name>,
constexpr Vars (*kSteps[])(const Var*, int64_t, Var, Var, Vars) = {FL_RULES(FL_ROW)};
#undef FL_ROW

}  // namespace taped

Vars taped_step(int rule, const Vars& hypers, int64_t t, const Var& g, const Var& w, const Vars& slots) {
  Vars out = taped::kSteps[rule](hypers.data(), t, g, w, slots);
  out[0] = astype(out[0], w.dtype());
  for (size_t i = 0; i < slots.size(); ++i) out[i + 1] = astype(out[i + 1], slots[i].dtype());
  return out;
}

}  // namespace fallline
