// FORMULAS of Adam's kin: other moments, other mixtures of them. No guard, no includes, no namespace: see rules.inc.h.

// Adamax. Kingma & Ba 2015, Algorithm 2:  u <- max(b2 u, |g|),  w <- w - lr / (1 - b1^t) m / u.
// k.eps is added to |g|, k.d to u.
struct Adamax {
  static constexpr const char* kName = "adamax";
  static constexpr auto kSlots = slots(mean("m"), size("u"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 2e-3), unit("beta1", 0.9), unit("beta2", 0.999), nonnegative("eps", 1e-8),
             nonnegative("eps_outside", 0), flag("bias_correction", 1));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, b1, b2, eps, eps_outside, correct] = first<6>(h);
    Coef<D> k;
    k.b1 = b1;
    k.a1 = 1 - b1;
    k.b2 = b2;
    k.s = lr / (1 - correct * power(b1, t));
    k.eps = eps;
    k.d = eps_outside;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& u) {
    m = k.b1 * m + k.a1 * g;
    u = max(k.b2 * u, abs(g) + k.eps);
    w = w - over(k.s * m, u + k.d);
  }
};

// Adam with Nesterov's momentum. Dozat 2016, Algorithm 2, with m_t = b1 (1 - rate^t / 2) for the paper's mu_t and P_t
// for their product, of the b1 as they were: k.c = lr (1 - m_t) / (1 - P_t) weighs g, k.s = lr m_t+1 / (1 - P_t+1)
// weighs m.
struct NAdam {
  static constexpr const char* kName = "nadam";
  static constexpr auto kSlots = slots(mean("m"), square("v"));
  static constexpr auto kHypers =
      moments_hypers(2e-3, 0.9, 0.999, 1e-8, 0, closed_unit("rate", 0.9998367253526753), running("product"));
  template <class D>
  static D momentum(D b1, D rate, int64_t t) {
    return b1 * (1 - 0.5 * power(rate, t));
  }
  template <class D>
  static D product(const D* h, int64_t t) {
    const D b1 = h[1], rate = h[6];
    D constant = D(1);
    for (int64_t i = 1; i < t && !negligible(constant); ++i) constant = constant * momentum(b1, rate, i);
    return known_or(h[7], constant) * momentum(b1, rate, t);
  }
  static void advance(double* h, int64_t t) { h[7] = product(h, t); }
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const D lr = h[0], b1 = h[1], rate = h[6], now = momentum(b1, rate, t), next = momentum(b1, rate, t + 1);
    const D product = NAdam::product(h, t);
    Coef<D> k = moments_coef(h, t);
    k.c = lr * (1 - now) / (1 - h[5] * product);
    k.s = lr * next / (1 - h[5] * (product * next));
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v) {
    m = k.b1 * m + k.a1 * g;
    v = k.b2 * v + k.a2 * (g * g);
    w = w - over_root(k.c * g + k.s * m, root(k.q * v + k.eps_root) + k.eps);
  }
};

// Rectified Adam. Liu et al. 2020, Algorithm 2: momentum alone (k.c) until the variance of 1 / sqrt(v) is known to be
// finite (rho_t > 5, as in its authors' code; the paper has 4), then Adam's step times r_t (k.s).
struct RAdam {
  static constexpr const char* kName = "radam";
  static constexpr auto kSlots = slots(mean("m"), square("v"));
  static constexpr auto kHypers =
      moments_hypers(1e-3, 0.9, 0.999, 1e-8, 0, flag("eps_hat", 1), nonnegative("threshold", 5));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    using std::sqrt;
    Coef<D> k = adam_coef(h, t);
    const D b2 = h[2], power_t = power(b2, t);
    const D most = 2 / (1 - b2) - 1;
    const D rho = most - 2 * static_cast<double>(t) * power_t / (1 - power_t);
    const auto known = rho > choose(h[7] < 4, D(4), h[7]);
    const D r = choose(known, (rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho), D(1));
    k.c = choose(known, D(0), k.s);
    k.s = choose(known, k.s * sqrt(r), D(0));
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v) {
    m = k.b1 * m + k.a1 * g;
    v = k.b2 * v + k.a2 * (g * g);
    w = w - m * (over_root(k.s, root(k.q * v + k.eps_root) + k.eps) + k.c);
  }
};

// AdaBelief. Zhuang et al. 2020, Algorithm 2:  v <- b2 v + (1 - b2) (g - m)^2 + eps_root,  w <- w - lr m^ / (sqrt(v^) +
// eps).
struct AdaBelief {
  static constexpr const char* kName = "adabelief";
  static constexpr auto kSlots = slots(mean("m"), square("v"));
  static constexpr auto kHypers = moments_hypers(1e-3, 0.9, 0.999, 1e-16, 1e-16);
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return moments_coef(h, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v) {
    m = k.b1 * m + k.a1 * g;
    const X d = g - m;
    v = k.b2 * v + k.a2 * (d * d) + k.eps_root;
    w = w - over(k.s * m, root(k.q * v) + k.eps);
  }
};

// 1, -1 or 0; NaN stays NaN.
template <class X>
FL_FN X sign(X x) {
  return select(x > X(0), X(1), select(x < X(0), X(-1), x));
}

// Yogi. Zaheer et al. 2018, Algorithm 2:  v <- v - (1 - b2) sign(v - g^2) g^2,  w <- w - lr m / (sqrt(v) + eps).
struct Yogi {
  static constexpr const char* kName = "yogi";
  static constexpr auto kSlots = slots(mean("m", "initial_accumulator"), square("v", "initial_accumulator"));
  static constexpr auto kHypers = moments_hypers(1e-2, 0.9, 0.999, 1e-3, 0, nonnegative("initial_accumulator", 1e-6));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    return moments_coef(h, t);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v) {
    m = k.b1 * m + k.a1 * g;
    v = v - k.a2 * sign(v - g * g) * (g * g);
    w = w - over_root(k.s * m, root(k.q * v + k.eps_root) + k.eps);
  }
};

// AdEMAMix. Pagliardini et al. 2024, eq. (AdEMAMix):  w <- w - lr (m1^ + alpha m2) / (sqrt(v^) + eps), where m2 forgets
// slowly and is not corrected. k.c = lr alpha.
struct AdEMAMix {
  static constexpr const char* kName = "ademamix";
  static constexpr auto kSlots = slots(mean("m1"), mean("m2"), square("v"));
  static constexpr auto kHypers =
      moments_hypers(1e-3, 0.9, 0.999, 1e-8, 0, unit("beta3", 0.9999), nonnegative("alpha", 5));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    Coef<D> k = moments_coef(h, t);
    k.b3 = h[6];
    k.a3 = 1 - h[6];
    k.c = h[0] * h[7];
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m1, X& m2, X& v) {
    m1 = k.b1 * m1 + k.a1 * g;
    m2 = k.b3 * m2 + k.a3 * g;
    v = k.b2 * v + k.a2 * (g * g);
    w = w - over_root(k.s * m1 + k.c * m2, root(k.q * v + k.eps_root) + k.eps);
  }
};

// ADOPT. Taniguchi et al. 2024, Algorithm 2:  m <- b1 m + (1 - b1) clip(g / max(sqrt(v), eps), c),  w <- w - lr m, with
// the v from before this gradient; the first step only sets v = g^2, so w does not decay either. k.c = (t - 1)^(1/4),
// k.d = 1 - lr weight_decay, k.eps = eps^2.
struct ADOPT {
  static constexpr const char* kName = "adopt";
  static constexpr bool kDecaysItself = true;
  static constexpr auto kSlots = slots(mean("m"), square("v"));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-3), unit("beta1", 0.9), unit("beta2", 0.9999),
                                         nonnegative("eps", 1e-6), flag("clip", 1));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, b1, b2, eps, clip, weight_decay] = first<6>(h);
    Coef<D> k;
    k.s = lr;
    k.b1 = b1;
    k.a1 = t > 1 ? 1 - b1 : D(0);
    k.d = t > 1 ? 1 - lr * weight_decay : D(1);
    k.b2 = t > 1 ? b2 : D(0);
    k.a2 = t > 1 ? 1 - b2 : D(1);
    k.c = mix(clip, D(std::sqrt(std::sqrt(static_cast<double>(t - 1)))), D(1e30));
    k.eps = eps * eps;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v) {
    const X d = max(-k.c, min(k.c, over(g, root(max(k.eps, v)))));
    m = k.b1 * m + k.a1 * d;
    v = k.b2 * v + k.a2 * (g * g);
    w = k.d * w - k.s * m;
  }
};

// Quasi-hyperbolic Adam. Ma & Yarats 2019, eq. (10):
// w <- w - lr ((1 - n1) g + n1 m^) / (sqrt((1 - n2) g^2 + n2 v^) + eps).  k.c = lr (1 - n1), k.d = 1 - n2.
struct QHAdam {
  static constexpr const char* kName = "qhadam";
  static constexpr auto kSlots = slots(mean("m"), square("v"));
  static constexpr auto kHypers = moments_hypers(1e-3, 0.995, 0.999, 1e-8, 0, number("nu1", 0.7), number("nu2", 1));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const D lr = h[0], n1 = h[6], n2 = h[7];
    Coef<D> k = moments_coef(h, t);
    k.s = n1 * k.s;
    k.c = lr * (1 - n1);
    k.q = n2 * k.q;
    k.d = 1 - n2;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v) {
    m = k.b1 * m + k.a1 * g;
    v = k.b2 * v + k.a2 * (g * g);
    w = w - over(k.c * g + k.s * m, root(k.d * (g * g) + k.q * v + k.eps_root) + k.eps);
  }
};

// Adan. Xie et al. 2022, Algorithm 1, with b = 1 - beta for the paper's beta and d = g - p, p the previous gradient:
// n <- b3 n + (1 - b3) (g + b2 d)^2,  w <- w - lr (m^ + b2 v^) / (sqrt(n^) + eps).  k.c is the weight of d, b2 or 1 -
// b2, k.d = lr k.c / (1 - b2^t).
struct Adan {
  static constexpr const char* kName = "adan";
  static constexpr auto kSlots = slots(mean("m"), mean("v"), square("n"), mean("p"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 1e-3), unit("beta1", 0.98), unit("beta2", 0.92), unit("beta3", 0.99),
             nonnegative("eps", 1e-8), nonnegative("eps_root", 0), flag("small_difference", 0));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, b1, b2, b3, eps, eps_root, small] = first<7>(h);
    const D weight = mix(small, 1 - b2, b2), later = D(t > 1 ? 1 : 0);
    Coef<D> k;
    k.b1 = b1;
    k.a1 = 1 - b1;
    k.b2 = b2;
    k.a2 = later * (1 - b2);
    k.b3 = b3;
    k.a3 = 1 - b3;
    k.s = lr / (1 - power(b1, t));
    k.d = lr * weight / (1 - power(b2, t));
    k.q = 1 / (1 - power(b3, t));
    k.c = later * weight;
    k.eps = eps;
    k.eps_root = eps_root;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m, X& v, X& n, X& p) {
    const X d = g - p, u = g + k.c * d;
    m = k.b1 * m + k.a1 * g;
    v = k.b2 * v + k.a2 * d;
    n = k.b3 * n + k.a3 * (u * u);
    w = w - over_root(k.s * m + k.d * v, root(k.q * n + k.eps_root) + k.eps);
    p = g;
  }
};
