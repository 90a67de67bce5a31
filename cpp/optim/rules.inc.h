// FORMULAS of the update rules, one struct each: what a rule keeps, its hyper-parameters, its constants, its step.
//
// Included once per backend, inside a namespace that supplies root, abs, max, min and select for X (a SIMD register,
// a plain number, a device number or a graph value); update() at the end is one step of a rule. A new rule: a struct
// here and its name in FL_RULES at the end. k holds the letters of coef.h; g is the gradient after the prologue, w the
// parameter, the rest are the rule's slots.

// Before every rule: w <- (1 - lr weight_decay) w  (Loshchilov & Hutter 2019, Algorithm 2, line 12, times lr)
// and g <- +-g + l2 w, with the w from before the step.
template <class X, class K>
FL_FN void prologue(const K& k, X& g, X& w) {
  g = k.sign * g + k.l2 * w;
  w = k.decay * w;
}

// The largest gradient of the rules that keep squares: 2^62 or 2^510, so that small multiples of its square are finite.
template <class X>
FL_FN auto square_bound(const X&) -> decltype(typename X::Lane(), X(0)) {
  return X(sizeof(typename X::Lane) == 4 ? 0x1p62 : 0x1p510);
}

// The root of the smallest square that is not subnormal.
template <class X>
FL_FN auto least_root(const X&) -> decltype(typename X::Lane(), X(0)) {
  return X(sizeof(typename X::Lane) == 4 ? 0x1p-63 : 0x1p-511);
}

// The one place that keeps second moments finite: what is larger counts as the bound, in the mean and in the mean of
// squares alike, so that steps have the size that unlimited numbers would give them. Infinity and NaN stay.
template <class X>
FL_FN X squarable(X g) {
  const X bound = square_bound(g);
  return select(g - g == X(0), max(-bound, min(bound, g)), g);
}

// Whether squarable() changes neither of two gradients, for certain: one comparison, of squares that a step forms too.
template <class X>
FL_FN auto both_squarable(X a, X b) {
  const X bound = square_bound(a);
  return a * a + b * b <= bound * bound;
}

// A sum of squares does not forget: it stays at eight times the square of the bound. NaN stays.
template <class X>
FL_FN X sum_squares(X v, X g) {
  const X bound = square_bound(g);
  return min(X(8) * (bound * bound), v + g * g);
}

// a / b, and 0 where b is 0: what has seen nothing but zeros, and has no epsilon, stands still.
template <class X>
FL_FN X over(X a, X b) {
  return select(b == X(0), X(0), a / b);
}

// The same in one operation less where b is the root of a mean of squares and a a mean of what was squared, so that b
// bounds a: where the squares underflow the quotient grows no more.
template <class X>
FL_FN X over_root(X a, X b) {
  return a / max(least_root(b), b);
}

// Gradient descent. Robbins & Monro 1951, eq. (6):  w <- w - lr g.
struct SGD {
  static constexpr const char* kName = "sgd";
  static constexpr auto kSlots = slots();
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-3));
  template <class D>
  static Coef<D> coef(const D* h, int64_t) {
    Coef<D> k;
    k.s = h[0];
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w) {
    w = w - k.s * g;
  }
};

// The constants of both momentum rules: lr stands before the velocity or inside it; the first velocity is the first
// gradient, undamped, unless dampen_first is set.
template <class D>
Coef<D> momentum_coef(D lr, D b, D dampening, D dampen_first, D inside, int64_t t) {
  Coef<D> k;
  k.b1 = b;
  k.a1 = t > 1 ? 1 - dampening : 1 - dampen_first * dampening;
  k.a1 = k.a1 * mix(inside, lr, D(1));
  k.s = mix(inside, D(1), lr);
  return k;
}

// Heavy ball. Polyak 1964, eq. (9); Sutskever et al. 2013, eq. (1) and (2):  v <- b v + g,  w <- w - lr v.
// k.a1 = 1 - dampening, times lr where lr stands in the velocity; k.s is the other one of 1 and lr.
struct Momentum {
  static constexpr const char* kName = "momentum";
  static constexpr auto kSlots = slots(mean("v"));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-3), nonnegative("momentum", 0.9), number("dampening", 0),
                                         flag("dampen_first", 0), flag("lr_in_velocity", 0));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, b, dampening, dampen_first, inside] = first<5>(h);
    return momentum_coef(lr, b, dampening, dampen_first, inside, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v) {
    v = k.b1 * v + k.a1 * g;
    w = w - k.s * v;
  }
};

// Nesterov's momentum with one gradient per step. Sutskever et al. 2013, eq. (3) and (4), in the variable w + b v
// (Bengio et al. 2013, eq. (7)):  v <- b v + g,  w <- w - lr (g + b v).
struct Nesterov {
  static constexpr const char* kName = "nesterov";
  static constexpr auto kSlots = slots(mean("v"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 1e-3), nonnegative("momentum", 0.9), flag("lr_in_velocity", 0));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, b, inside] = first<3>(h);
    return momentum_coef(lr, b, D(0), D(0), inside, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v) {
    g = k.a1 * g;
    v = k.b1 * v + g;
    w = w - k.s * (g + k.b1 * v);
  }
};

// Adagrad. Duchi et al. 2011, Figure 1, diagonal:  v <- v + g^2,  w <- w - lr g / (sqrt(v) + eps).
// k.c = 1 where the root sees the current gradient, 0 where it sees the earlier ones only. k.s = lr / (1 + (t - 1) d).
struct Adagrad {
  static constexpr const char* kName = "adagrad";
  static constexpr auto kSlots = slots(square("v", "initial_accumulator"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 1e-2), nonnegative("lr_decay", 0), nonnegative("eps", 1e-10), nonnegative("eps_root", 0),
             flag("include_current", 1), nonnegative("initial_accumulator", 0));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, d, eps, eps_root, include] = first<5>(h);
    Coef<D> k;
    k.s = lr / (1 + static_cast<double>(t - 1) * d);
    k.c = include;
    k.eps = eps;
    k.eps_root = eps_root;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v) {
    w = w - over(k.s * g, root(v + k.c * (g * g) + k.eps_root) + k.eps);
    v = sum_squares(v, g);
  }
};

// The constants of the four RMSprop rules. k.q = 1 / (1 - a^t) with bias correction, else 1; k.b1 = momentum, k.a1 and
// k.s are lr and 1, by whether lr stands in the velocity.
template <class D>
Coef<D> rmsprop_coef(const D* h, int64_t t) {
  const auto [lr, a, eps, eps_root, correct] = first<5>(h);
  Coef<D> k;
  k.s = lr;
  k.b2 = a;
  k.a2 = 1 - a;
  k.q = 1 / (1 - correct * power(a, t));
  k.eps = eps;
  k.eps_root = eps_root;
  return k;
}
template <class D>
Coef<D> rmsprop_momentum_coef(const D* h, int64_t t) {
  Coef<D> k = rmsprop_coef(h, t);
  k.b1 = h[5];
  k.a1 = mix(h[6], h[0], D(1));
  k.s = mix(h[6], D(1), h[0]);
  return k;
}
constexpr auto kRmspropHypers =
    hypers(nonnegative("lr", 1e-2), unit("alpha", 0.99), nonnegative("eps", 1e-8), nonnegative("eps_root", 0),
           flag("bias_correction", 0), nonnegative("initial_accumulator", 0));
constexpr auto kRmspropMomentumHypers =
    hypers(nonnegative("lr", 1e-2), unit("alpha", 0.99), nonnegative("eps", 1e-8), nonnegative("eps_root", 0),
           flag("bias_correction", 0), nonnegative("momentum", 0.9), flag("lr_in_velocity", 0),
           nonnegative("initial_accumulator", 0));

// RMSprop. Tieleman & Hinton 2012, lecture 6e:  v <- a v + (1 - a) g^2,  w <- w - lr g / (sqrt(v) + eps).
struct RMSprop {
  static constexpr const char* kName = "rmsprop";
  static constexpr auto kSlots = slots(square("v", "initial_accumulator"));
  static constexpr auto kHypers = kRmspropHypers;
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return rmsprop_coef(h, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v) {
    v = k.b2 * v + k.a2 * (g * g);
    w = w - over_root(k.s * g, root(k.q * v + k.eps_root) + k.eps);
  }
};

// The same with a velocity of scaled gradients:  u <- b u + g / (sqrt(v) + eps),  w <- w - lr u.
struct RMSpropMomentum {
  static constexpr const char* kName = "rmsprop_momentum";
  static constexpr auto kSlots = slots(square("v", "initial_accumulator"), mean("u"));
  static constexpr auto kHypers = kRmspropMomentumHypers;
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return rmsprop_momentum_coef(h, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v, X& u) {
    v = k.b2 * v + k.a2 * (g * g);
    u = k.b1 * u + over_root(k.a1 * g, root(k.q * v + k.eps_root) + k.eps);
    w = w - k.s * u;
  }
};

// v - m^2 is a variance: rounding must not make it negative, and a NaN must stay one.
template <class X>
FL_FN X variance(X v, X m) {
  const X d = v - m * m;
  return select(d < X(0), X(0), d);
}

// Centered RMSprop. Graves 2013, eq. (38) to (41):  m <- a m + (1 - a) g,  w <- w - lr g / (sqrt(v - m^2) + eps).
struct RMSpropCentered {
  static constexpr const char* kName = "rmsprop_centered";
  static constexpr auto kSlots = slots(exact_square("v", "initial_accumulator"), exact("m"));
  static constexpr auto kHypers = kRmspropHypers;
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return rmsprop_coef(h, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v, X& m) {
    v = k.b2 * v + k.a2 * (g * g);
    m = k.b2 * m + k.a2 * g;
    w = w - over(k.s * g, root(variance(k.q * v, k.q * m) + k.eps_root) + k.eps);
  }
};

struct RMSpropCenteredMomentum {
  static constexpr const char* kName = "rmsprop_centered_momentum";
  static constexpr auto kSlots = slots(exact_square("v", "initial_accumulator"), exact("m"), mean("u"));
  static constexpr auto kHypers = kRmspropMomentumHypers;
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return rmsprop_momentum_coef(h, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v, X& m, X& u) {
    v = k.b2 * v + k.a2 * (g * g);
    m = k.b2 * m + k.a2 * g;
    u = k.b1 * u + over(k.a1 * g, root(variance(k.q * v, k.q * m) + k.eps_root) + k.eps);
    w = w - k.s * u;
  }
};

// The constants of rules with two moments. k.a1 = 1 - b1, k.a2 = 1 - b2, k.s = lr / (1 - b1^t), k.q = 1 / (1 - b2^t);
// without bias correction k.s = lr and k.q = 1.
template <class D>
Coef<D> moments_coef(const D* h, int64_t t) {
  const auto [lr, b1, b2, eps, eps_root, correct] = first<6>(h);
  Coef<D> k;
  k.b1 = b1;
  k.a1 = 1 - b1;
  k.b2 = b2;
  k.a2 = 1 - b2;
  k.s = lr / (1 - correct * power(b1, t));
  k.q = 1 / (1 - correct * power(b2, t));
  k.eps = eps;
  k.eps_root = eps_root;
  return k;
}
template <class... Own>
constexpr auto moments_hypers(double lr, double b1, double b2, double eps, double eps_root, Own... own) {
  return hypers(nonnegative("lr", lr), unit("beta1", b1), unit("beta2", b2), nonnegative("eps", eps),
                nonnegative("eps_root", eps_root), flag("bias_correction", 1), own...);
}

// With eps_hat, eps is added to the uncorrected root: Kingma & Ba 2015, the end of section 2.
template <class D>
Coef<D> adam_coef(const D* h, int64_t t) {
  using std::sqrt;
  Coef<D> k = moments_coef(h, t);
  k.eps = k.eps * mix(h[6], sqrt(k.q), D(1));
  return k;
}
constexpr auto kAdamHypers = moments_hypers(1e-3, 0.9, 0.999, 1e-8, 0, flag("eps_hat", 0));

// Adam. Kingma & Ba 2015, Algorithm 1:  w <- w - lr m^ / (sqrt(v^) + eps),  m^ = m / (1 - b1^t),  v^ = v / (1 - b2^t).
struct Adam {
  static constexpr const char* kName = "adam";
  static constexpr auto kSlots = slots(mean("m"), square("v"));
  static constexpr auto kHypers = kAdamHypers;
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return adam_coef(h, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v) {
    m = k.b1 * m + k.a1 * g;
    v = k.b2 * v + k.a2 * (g * g);
    w = w - over_root(k.s * m, root(k.q * v + k.eps_root) + k.eps);
  }
};

// AMSGrad. Reddi, Kale & Kumar 2018, Algorithm 2, with Adam's bias correction:  u <- max(u, v) stands in for v. The
// correction stands in k.q, after the maximum, or in k.c, before it.
struct AMSGrad {
  static constexpr const char* kName = "amsgrad";
  static constexpr auto kSlots = slots(mean("m"), square("v"), square("u"));
  static constexpr auto kHypers =
      moments_hypers(1e-3, 0.9, 0.999, 1e-8, 0, flag("eps_hat", 0), flag("max_of_corrected", 0));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    Coef<D> k = adam_coef(h, t);
    k.c = mix(h[7], k.q, D(1));
    k.q = mix(h[7], D(1), k.q);
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v, X& u) {
    m = k.b1 * m + k.a1 * g;
    v = k.b2 * v + k.a2 * (g * g);
    u = max(u, k.c * v);
    w = w - over_root(k.s * m, root(k.q * u + k.eps_root) + k.eps);
  }
};

#include "optim/moments.inc.h"
#include "optim/signs.inc.h"
#include "optim/online.inc.h"
#include "optim/averages.inc.h"

template <class R, class X, class K, class... Slots>
FL_FN void update(const K& k, X g, X& w, Slots&... slots) {
  prologue(k, g, w);
  if constexpr (squares<R>()) g = squarable(g);
  R::step(k, g, w, slots...);
}

// clang-format off
#define FL_RULES(X) \
  X(SGD) X(Momentum) X(Nesterov) X(QHM) X(Adagrad) X(Adadelta) X(RMSprop) X(RMSpropMomentum) X(RMSpropCentered) \
  X(RMSpropCenteredMomentum) X(Adam) X(AMSGrad) X(Adamax) X(NAdam) X(RAdam) X(AdaBelief) X(Yogi) X(AdEMAMix) \
  X(ADOPT) X(QHAdam) X(Adan) X(Lion) X(Signum) X(Rprop) X(ASGD) X(FTRL) X(AggMo) \
  X(ScheduleFreeSGD) X(ScheduleFreeAdamW)
// clang-format on
