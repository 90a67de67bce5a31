// FORMULAS that average steps or points along the path. No guard, no includes, no namespace: see rules.inc.h.

// Aggregated momentum. Lucas et al. 2019, eq. (3) and (4):  v_i <- b_i v_i + g,  w <- w - lr / 3 (v_1 + v_2 + v_3).
struct AggMo {
  static constexpr const char* kName = "aggmo";
  static constexpr auto kSlots = slots(mean("v1"), mean("v2"), mean("v3"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 0.1), unit("beta1", 0), unit("beta2", 0.9), unit("beta3", 0.99));
  template <class D>
  static Coef<D> coef(const D* h, int64_t) {
    Coef<D> k;
    k.s = h[0] / 3;
    k.b1 = h[1];
    k.b2 = h[2];
    k.b3 = h[3];
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v1, X& v2, X& v3) {
    v1 = k.b1 * v1 + g;
    v2 = k.b2 * v2 + g;
    v3 = k.b3 * v3 + g;
    w = w - k.s * (v1 + v2 + v3);
  }
};

// Schedule-Free descent. Defazio et al. 2024, eq. (1) to (3), with w for their y:  z <- z - lr d,  x <- (1 - 1/t) x + z
// / t, w = (1 - beta) z + beta x.  Written for w alone: w <- w + (z - w) / t, then w <- w + lr (beta (1 - 1/t) - 1) d.
// k.c = 1 / t, k.d = lr (beta (1 - 1/t) - 1); decay is in d, at w.
template <class D>
Coef<D> schedule_free_coef(D lr, D beta, D weight_decay, int64_t t) {
  Coef<D> k;
  k.s = lr;
  k.c = D(1.0 / static_cast<double>(t));
  k.d = lr * (beta * (1 - k.c) - 1);
  k.a3 = weight_decay;
  return k;
}
template <class X, class K>
FL_FN void schedule_free_move(const K& k, X d, X& w, X& z) {
  w = w + k.c * (z - w);
  w = w + k.d * d;
  z = z - k.s * d;
}

struct ScheduleFreeSGD {
  static constexpr const char* kName = "schedule_free_sgd";
  static constexpr bool kDecaysItself = true;
  static constexpr auto kSlots = slots(exact("z", kParameter));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1), unit("momentum", 0.9));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return schedule_free_coef(h[0], h[1], h[2], t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& z) {
    schedule_free_move(k, g + k.a3 * w, w, z);
  }
};

// The same with d = g / (sqrt(v^) + eps),  v <- b2 v + (1 - b2) g^2. Defazio et al. 2024, Algorithm 1 without warm-up.
struct ScheduleFreeAdamW {
  static constexpr const char* kName = "schedule_free_adamw";
  static constexpr bool kDecaysItself = true;
  static constexpr auto kSlots = slots(exact("z", kParameter), square("v"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 2.5e-3), unit("beta1", 0.9), unit("beta2", 0.999), nonnegative("eps", 1e-8));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, b1, b2, eps, weight_decay] = first<5>(h);
    Coef<D> k = schedule_free_coef(lr, b1, weight_decay, t);
    k.b2 = b2;
    k.a2 = 1 - b2;
    k.q = 1 / (1 - power(b2, t));
    k.eps = eps;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& z, X& v) {
    v = k.b2 * v + k.a2 * (g * g);
    schedule_free_move(k, g / (root(k.q * v) + k.eps) + k.a3 * w, w, z);
  }
};
