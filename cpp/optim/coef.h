// What are the constants of one step?  Hyper-parameters at step t become Coef, in double; kernels round them once.
#ifndef FALLLINE_OPTIM_COEF_H_
#define FALLLINE_OPTIM_COEF_H_

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace fallline {

// What a slot holds, which decides how it may be compressed: kExact not at all.
enum class Values : uint8_t { kSigned, kNonNegative, kExact };

// A full-size tensor that a rule keeps per parameter. It starts at zero, at the hyper-parameter `starts_at`, or, where
// that is kParameter, at the parameter.
constexpr const char* kParameter = "parameter";
struct Slot {
  const char* name;
  const char* starts_at = nullptr;
  Values values = Values::kSigned;
  bool of_squares = false;
};
constexpr Slot mean(const char* name, const char* start = nullptr) { return {name, start, Values::kSigned}; }
constexpr Slot size(const char* name) { return {name, nullptr, Values::kNonNegative}; }
constexpr Slot square(const char* name, const char* start = nullptr) {
  return {name, start, Values::kNonNegative, true};
}
constexpr Slot exact(const char* name, const char* start = nullptr) { return {name, start, Values::kExact}; }
constexpr Slot exact_square(const char* name, const char* start = nullptr) {
  return {name, start, Values::kExact, true};
}

enum class Range : uint8_t { kAny, kNonNegative, kUnit, kClosedUnit, kFlag, kRunning };

struct Hyper {
  const char* name;
  double value;  // the default
  Range range;
};
constexpr Hyper number(const char* name, double value) { return {name, value, Range::kAny}; }
constexpr Hyper nonnegative(const char* name, double value) { return {name, value, Range::kNonNegative}; }
constexpr Hyper unit(const char* name, double value) { return {name, value, Range::kUnit}; }               // [0, 1)
constexpr Hyper closed_unit(const char* name, double value) { return {name, value, Range::kClosedUnit}; }  // [0, 1]
constexpr Hyper flag(const char* name, double value) { return {name, value, Range::kFlag}; }               // 0 or 1
// What a rule carries from step to step beside its slots, such as a product of past rates: Rule::advance(h, t) makes it
// of the hyper-parameters of step t. NaN: as if they had always been those of today.
constexpr Hyper running(const char* name) { return {name, std::numeric_limits<double>::quiet_NaN(), Range::kRunning}; }

constexpr int kCommonHypers = 3;

template <class... Slots>
constexpr std::array<Slot, sizeof...(Slots)> slots(Slots... all) {
  return {{all...}};
}

// A rule's own hyper-parameters, lr first, and then those that every rule has.
template <class... Own>
constexpr std::array<Hyper, sizeof...(Own) + kCommonHypers> hypers(Own... own) {
  return {{own..., nonnegative("weight_decay", 0), nonnegative("l2", 0), flag("maximize", 0)}};
}

template <size_t kCount, class D>
std::array<D, kCount> first(const D* h) {
  std::array<D, kCount> out;
  for (size_t i = 0; i < kCount; ++i) out[i] = h[i];
  return out;
}

// The letters of the formulas. A rule sets those it reads; sign, l2 and decay belong to the prologue.
//   s: step size   b1 b2: decay rates   a1 a2: weights of the new term   q: scales a second moment
//   c: share of the current term   d: what the rule says   eps: outside the root   eps_root: inside it
#define FL_COEF_LETTERS(X) \
  X(sign) X(l2) X(decay) X(s) X(b1) X(a1) X(b2) X(a2) X(b3) X(a3) X(q) X(c) X(d) X(eps) X(eps_root)

template <class D>
struct Coef {
#define FL_ROW(letter) D letter{};
  FL_COEF_LETTERS(FL_ROW)
#undef FL_ROW
};

// b^t by repeated squaring: the same bits everywhere, which libm's pow does not promise.
template <class D>
D power(D b, int64_t t) {
  D out = D(1);
  for (; t > 0; t >>= 1) {
    if (t & 1) out = out * b;
    b = b * b;
  }
  return out;
}

// a where the flag is 1, b where it is 0, exactly; arithmetic, so that it also works on graph values.
template <class D>
D mix(D flag, D a, D b) {
  return flag * a + (1 - flag) * b;
}

// a where a condition holds, else b; both are formed.
inline double choose(bool yes, double a, double b) { return yes ? a : b; }
template <class D>
D choose(const D& yes, const D& a, const D& b) {
  return select(yes, a, b);
}

// A running number, or what it would be had the hyper-parameters never changed.
template <class D>
D known_or(const D& running, const D& constant) {
  return choose(running == running, running, constant);
}

// y^x for 0 <= x < 1 out of roots, one for each binary digit of x: the same bits everywhere, as power. Derivatives pass
// through y.
template <class D>
D fractional_power(D y, D x) {
  using std::floor;
  using std::sqrt;
  D out = D(1);
  for (int digits = 0; digits < 53; ++digits) {
    x = 2 * x;
    y = sqrt(y);
    const D digit = floor(x);
    out = out * mix(digit, y, D(1));
    x = x - digit;
  }
  return out;
}

// Whether 1 - x is 1 for certain; a graph value is not looked at.
inline bool negligible(double x) { return x < 0x1p-54; }
template <class D>
bool negligible(const D&) {
  return false;
}

// Whether a rule puts the weight decay into its own formula (kDecaysItself); the prologue then leaves it alone.
template <class Rule, class = void>
struct DecaysItself : std::false_type {};
template <class Rule>
struct DecaysItself<Rule, std::void_t<decltype(Rule::kDecaysItself)>> : std::true_type {};

// The running numbers of Rule after step t, written over those before it; null where it has none.
using Advance = void (*)(double* h, int64_t t);
template <class Rule, class = void>
constexpr Advance kAdvance = nullptr;
template <class Rule>
constexpr Advance kAdvance<Rule, std::void_t<decltype(&Rule::advance)>> = &Rule::advance;

// Whether Rule keeps squares of gradients, which overflow long before the gradients do.
template <class Rule>
constexpr bool squares() {
  for (const Slot& slot : Rule::kSlots) {
    if (slot.of_squares) return true;
  }
  return false;
}

// The constants of Rule at step t >= 1, from its hyper-parameters in the order of Rule::kHypers.
template <class Rule, class D>
Coef<D> coefficients(const D* h, int64_t t) {
  const D* common = h + Rule::kHypers.size() - kCommonHypers;
  Coef<D> k = Rule::coef(h, t);
  k.decay = DecaysItself<Rule>::value ? D(1) : 1 - h[0] * common[0];
  k.l2 = common[1];
  k.sign = 1 - 2 * common[2];
  return k;
}

}  // namespace fallline

#endif  // FALLLINE_OPTIM_COEF_H_
