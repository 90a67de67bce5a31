// FORMULAS of rules from stochastic approximation and online learning. No guard, no includes, no namespace: see
// rules.inc.h.

// Quasi-hyperbolic momentum. Ma & Yarats 2019, eq. (3) and (4):  m <- b m + (1 - b) g,  w <- w - lr ((1 - n) g + n m).
struct QHM {
  static constexpr const char* kName = "qhm";
  static constexpr auto kSlots = slots(mean("m"));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-3), unit("momentum", 0.999), number("nu", 0.7));
  template <class D>
  static Coef<D> coef(const D* h, int64_t) {
    const auto [lr, b, n] = first<3>(h);
    Coef<D> k;
    k.b1 = b;
    k.a1 = 1 - b;
    k.c = lr * (1 - n);
    k.s = lr * n;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m) {
    m = k.b1 * m + k.a1 * g;
    w = w - (k.c * g + k.s * m);
  }
};

// Adadelta. Zeiler 2012, Algorithm 1:  v <- rho v + (1 - rho) g^2,  d = sqrt(u + eps) / sqrt(v + eps) g,
// u <- rho u + (1 - rho) d^2,  w <- w - lr d.
struct Adadelta {
  static constexpr const char* kName = "adadelta";
  static constexpr auto kSlots = slots(square("v"), square("u"));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1), unit("rho", 0.9), nonnegative("eps", 1e-6));
  template <class D>
  static Coef<D> coef(const D* h, int64_t) {
    const auto [lr, rho, eps] = first<3>(h);
    Coef<D> k;
    k.s = lr;
    k.b1 = rho;
    k.a1 = 1 - rho;
    k.eps = eps;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& v, X& u) {
    v = k.b1 * v + k.a1 * (g * g);
    const X d = over(root(u + k.eps), root(v + k.eps)) * g;
    u = k.b1 * u + k.a1 * (d * d);
    w = w - k.s * d;
  }
};

// Averaged descent. Polyak & Juditsky 1992, eq. (2), with the steps of Bottou 2012, section 5.3:
// w <- (1 - lambd eta) w - eta g,  eta = lr / (1 + lambd lr (t - 1))^alpha, and a the mean of w from step t0 on.
struct ASGD {
  static constexpr const char* kName = "asgd";
  static constexpr auto kSlots = slots(exact("a"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 1e-2), nonnegative("lambd", 1e-4), unit("alpha", 0.75), nonnegative("t0", 1e6));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, lambd, alpha, t0] = first<4>(h);
    const double before = static_cast<double>(t - 1);
    const D averaged = before - t0;
    Coef<D> k;
    k.s = lr / fractional_power(1 + lambd * lr * before, alpha);
    k.c = 1 - lambd * k.s;
    k.a1 = choose(averaged > 1, 1 / averaged, D(1));
    k.b1 = 1 - k.a1;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& a) {
    w = k.c * w - k.s * g;
    a = k.b1 * a + k.a1 * w;
  }
};

// Follow the proximally regularised leader. McMahan et al. 2013, Algorithm 1, with z times lr:
// z <- z + lr g - (sqrt(n + g^2) - sqrt(n)) w,  n <- n + g^2,  w <- (clip(z, lr l1) - z) / (beta + sqrt(n) + lr l2).
struct FTRL {
  static constexpr const char* kName = "ftrl";
  static constexpr auto kSlots = slots(square("n", "initial_accumulator"), exact("z"));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-3), nonnegative("l1", 0), nonnegative("ridge", 0),
                                         nonnegative("beta", 0), nonnegative("initial_accumulator", 0.1));
  template <class D>
  static Coef<D> coef(const D* h, int64_t) {
    const auto [lr, l1, ridge, beta] = first<4>(h);
    Coef<D> k;
    k.s = lr;
    k.c = lr * l1;
    k.d = beta + lr * ridge;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& n, X& z) {
    const X next = root(n + g * g);
    z = z + k.s * g - (next - root(n)) * w;
    n = sum_squares(n, g);
    const X divisor = next + k.d;  // zero, with beta = 0, until there is a gradient
    w = select(divisor == X(0), w, over(max(-k.c, min(k.c, z)) - z, divisor));
  }
};
