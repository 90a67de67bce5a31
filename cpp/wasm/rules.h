// Which rules are there in the browser, and what is one step of two parameters?
#ifndef FALLLINE_WASM_RULES_H_
#define FALLLINE_WASM_RULES_H_

#include <cstdint>
#include <iterator>
#include <utility>

#include "optim/coef.h"
#include "wasm/real.h"

#undef FL_FN
#define FL_FN inline

namespace fallline {
namespace wasm {

#include "optim/rules.inc.h"

// Nesterov's momentum to the letter: the step is that of Momentum, the gradient comes from where the velocity leads.
// Whole tensors step so, in NumPy, where subnormal numbers stay.
struct NesterovLookahead {
  static constexpr const char* kName = "nesterov_lookahead";
  static constexpr auto kSlots = Momentum::kSlots;
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-3), nonnegative("momentum", 0.9), flag("consistent", 1));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return momentum_coef(h[0], h[1], D(0), D(0), D(0), t);
  }
  template <class X, class K>
  static void step(const K& k, X g, X& w, X& v) {
    Momentum::step(k, g, w, v);
  }
};

// Two parameters, their gradient and their slots: one step.
using Two = double[2];

template <class R, size_t... I>
void step(const Coef<Real>& k, const double* g, double* w, Two* slots, std::index_sequence<I...>) {
  for (int i = 0; i < 2; ++i) {
    Real gi = g[i], wi = w[i], s[] = {Real(slots[I][i])..., Real(0.0)};
    update<R>(k, gi, wi, s[I]...);
    w[i] = wi.v;
    ((slots[I][i] = s[I].v), ...);
  }
}
constexpr size_t kMostSlots = 8, kMostHypers = 20;
template <class R>
void step(const Coef<Real>& k, const double* g, double* w, Two* slots) {
  static_assert(R::kSlots.size() <= kMostSlots && R::kHypers.size() <= kMostHypers, "raise kMostSlots or kMostHypers");
  step<R>(k, g, w, slots, std::make_index_sequence<R::kSlots.size()>());
}

struct Rule {
  const char *name, *type;
  const Slot* slots;
  int slot_count;
  const Hyper* hypers;
  int hyper_count;
  Coef<double> (*coef)(const double* hypers, int64_t t);
  Advance advance;
  void (*step)(const Coef<Real>& k, const double* g, double* w, Two* slots);
};
#define FL_ROW(R)                       \
  {R::kName,                            \
   #R,                                  \
   R::kSlots.data(),                    \
   static_cast<int>(R::kSlots.size()),  \
   R::kHypers.data(),                   \
   static_cast<int>(R::kHypers.size()), \
   &coefficients<R, double>,            \
   kAdvance<R>,                         \
   &step<R>},
inline constexpr Rule kRules[] = {FL_RULES(FL_ROW) FL_ROW(NesterovLookahead)};
#undef FL_ROW
inline constexpr int kLookahead = static_cast<int>(std::size(kRules)) - 1;

}  // namespace wasm
}  // namespace fallline

#endif  // FALLLINE_WASM_RULES_H_
