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

// Schedule-Free descent. Defazio et al. 2024, eq. (1) to (3), with w for their y:  z <- z - lr d,  x <- (1 - c) x + c
// z, w = (1 - beta) z + beta x.  Written for w alone: w <- w + c (z - w), then w <- w + lr (beta (1 - c) - 1) d. k.c =
// c, k.d = lr (beta (1 - c) - 1); decay is in d, at w.
template <class D>
Coef<D> schedule_free_coef(D lr, D c, D beta, D weight_decay) {
  Coef<D> k;
  k.s = lr;
  k.c = c;
  k.d = lr * (beta * (1 - k.c) - 1);
  k.a3 = weight_decay;
  return k;
}

// The share of the rate that a warm-up of so many steps leaves at step t.
template <class D>
D warmed_up(const D& warmup, int64_t t) {
  const D share = static_cast<double>(t) / warmup;
  return choose(share < 1, share, D(1));
}
inline bool warm(double warmup, int64_t t) { return static_cast<double>(t) >= warmup; }
template <class D>
bool warm(const D&, int64_t) {
  return false;
}

// The sum of (share_i)^2 (1 - forget^i) over the steps i before t.
template <class D>
D earlier_squares(const D& warmup, const D& forget, int64_t t) {
  D sum = D(0);
  int64_t i = 1;
  for (; i < t && !warm(warmup, i); ++i) {
    const D share = warmed_up(warmup, i);
    sum = sum + share * share * (1 - power(forget, i));
  }
  return sum + static_cast<double>(t - i) - (power(forget, i) - power(forget, t)) / (1 - forget);
}

// The rate of step t and its weight c in the average: the square of the largest rate so far over the sum of these
// squares, which is 1 / t while the rate is constant. `largest` and `sum` are those before the step and after it; where
// they were not known, in units of lr.
template <class D>
struct WeightedRate {
  D rate, c, largest, sum;
  WeightedRate(const D& lr, const D& warmup, const D& forget, const D& largest_before, const D& sum_before, int64_t t) {
    using std::sqrt;
    const D share = warmed_up(warmup, t) * sqrt(1 - power(forget, t));
    rate = lr * share;
    largest = choose(sum_before == sum_before, choose(rate < largest_before, largest_before, rate), share);
    sum = known_or(sum_before, earlier_squares(warmup, forget, t)) + largest * largest;
    c = choose(sum > 0, largest * largest / sum, D(0));
  }
};

inline void advance_rate(double lr, double warmup, double forget, double* largest, double* sum, int64_t t) {
  const WeightedRate<double> now(lr, warmup, forget, *largest, *sum, t);
  const double unit = *sum == *sum ? 1 : lr;
  *largest = now.largest * unit;
  *sum = now.sum * unit * unit;
}

template <class X, class K>
FL_FN void schedule_free_move(const K& k, X d, X& w, X& z) {
  w = w + k.c * (z - w);
  w = w + k.d * d;
  z = z - k.s * d;
}

// The authors' code, whose c is that of WeightedRate; c = 1 / (t + 1), as in eq. (3), with `paper`.
struct ScheduleFreeSGD {
  static constexpr const char* kName = "schedule_free_sgd";
  static constexpr bool kDecaysItself = true;
  static constexpr auto kSlots = slots(exact("z", kParameter));
  static constexpr auto kHypers = hypers(nonnegative("lr", 1), unit("momentum", 0.9), nonnegative("warmup", 0),
                                         flag("paper", 0), running("largest"), running("sum"));
  static void advance(double* h, int64_t t) { advance_rate(h[0], h[2], 0, &h[4], &h[5], t); }
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, beta, warmup, paper, largest, sum, weight_decay] = first<7>(h);
    const WeightedRate<D> now(lr, warmup, D(0), largest, sum, t);
    const D uniform = D(1.0 / static_cast<double>(t + 1));
    return schedule_free_coef(now.rate, mix(paper, uniform, now.c), beta, weight_decay);
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& z) {
    schedule_free_move(k, g + k.a3 * w, w, z);
  }
};

// The same with d = g / (sqrt(v^) + eps),  v <- b2 v + (1 - b2) g^2: the authors' code. Defazio et al. 2024, Algorithm
// 1, with `paper`: the correction stands in the rate, lr sqrt(1 - b2^t), and so in its weight too.
struct ScheduleFreeAdamW {
  static constexpr const char* kName = "schedule_free_adamw";
  static constexpr bool kDecaysItself = true;
  static constexpr auto kSlots = slots(exact("z", kParameter), square("v"));
  static constexpr auto kHypers =
      hypers(nonnegative("lr", 2.5e-3), unit("beta1", 0.9), unit("beta2", 0.999), nonnegative("eps", 1e-8),
             nonnegative("warmup", 0), flag("paper", 0), running("largest"), running("sum"));
  static void advance(double* h, int64_t t) { advance_rate(h[0], h[4], h[5] * h[2], &h[6], &h[7], t); }
  template <class D>
  static Coef<D> coef(const D* h, int64_t t) {
    const auto [lr, b1, b2, eps, warmup, paper, largest, sum, weight_decay] = first<9>(h);
    const WeightedRate<D> now(lr, warmup, paper * b2, largest, sum, t);
    Coef<D> k = schedule_free_coef(now.rate, now.c, b1, weight_decay);
    k.b2 = b2;
    k.a2 = 1 - b2;
    k.q = 1 / (1 - (1 - paper) * power(b2, t));
    k.eps = eps;
    return k;
  }
  template <class X, class K>
  FL_FN static void step(const K& k, X g, X& w, X& z, X& v) {
    v = k.b2 * v + k.a2 * (g * g);
    schedule_free_move(k, over_root(g, root(k.q * v) + k.eps) + k.a3 * w, w, z);
  }
};
