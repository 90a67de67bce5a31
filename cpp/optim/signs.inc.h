// FORMULAS of rules that step by the sign. No guard, no includes, no namespace: see rules.inc.h.

// Lion. Chen et al. 2023, Algorithm 2:  w <- w - lr sign(b1 m + (1 - b1) g),  m <- b2 m + (1 - b2) g.
struct Lion {
  static constexpr const char* kName = "lion";
  static constexpr auto kSlots = slots(mean("m"));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-4), unit("beta1", 0.9), unit("beta2", 0.99));
  template <class D>
  static Coef<D> coef(const D* h, int64_t) {
    const auto [lr, b1, b2] = first<3>(h);
    Coef<D> k;
    k.s = lr;
    k.b1 = b1;
    k.a1 = 1 - b1;
    k.b2 = b2;
    k.a2 = 1 - b2;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m) {
    w = w - k.s * sign(k.b1 * m + k.a1 * g);
    m = k.b2 * m + k.a2 * g;
  }
};

// Signum. Bernstein et al. 2018, Algorithm 2:  m <- b m + (1 - b) g,  w <- w - lr sign(m).
struct Signum {
  static constexpr const char* kName = "signum";
  static constexpr auto kSlots = slots(mean("m"));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1e-3), unit("momentum", 0.9));
  template <class D>
  static Coef<D> coef(const D* h, int64_t) {
    Coef<D> k;
    k.s = h[0];
    k.b1 = h[1];
    k.a1 = 1 - h[1];
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& m) {
    m = k.b1 * m + k.a1 * g;
    w = w - k.s * sign(m);
  }
};

// Resilient propagation. Riedmiller & Braun 1993, eq. (4) to (6): each d grows by k.b2 while the sign of the gradient
// stays and shrinks by k.a2 when it turns, within [k.c, k.d]; after a turn w rests once, or with k.s = 1 takes the step
// before it back, as in the paper. The first d is lr.
struct Rprop {
  static constexpr const char* kName = "rprop";
  static constexpr auto kSlots = slots(exact("p"), exact("d"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 1e-2), unit("eta_minus", 0.5), nonnegative("eta_plus", 1.2),
             nonnegative("smallest_step", 1e-6), nonnegative("largest_step", 50), flag("backtrack", 0));
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, shrink, grow, smallest, largest, backtrack] = first<6>(h);
    Coef<D> k;
    k.b1 = D(t > 1 ? 1 : 0);
    k.a1 = t > 1 ? D(0) : lr;
    k.a2 = shrink;
    k.b2 = grow;
    k.c = smallest;
    k.d = largest;
    k.s = backtrack;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& p, X& d) {
    const X r = sign(g) * sign(p);  // g p would underflow
    const X back = w + k.s * d * sign(p);
    d = k.b1 * d + k.a1;
    d = select(r > X(0), k.b2 * d, select(r < X(0), k.a2 * d, d));
    d = min(k.d, max(k.c, d));
    g = select(r < X(0), X(0), g);
    w = select(r < X(0), back, w - d * sign(g));
    p = g;
  }
};
