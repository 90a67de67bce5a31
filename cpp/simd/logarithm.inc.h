// log, log1p, log2, pow. No guard, no includes, no namespace: see math.inc.h.

// e ln 2 + log(1 + r) for -0.25 <= r < 0.5
template <class T>
FL_FN Pack<T> log_of_parts(Pack<T> e, Pack<T> r) {
  using F = Format<T>;
  const Pack<T> r2 = r * r;
  if constexpr (sizeof(T) == 4) {
    const Pack<T> p = poly(r, r2, -0.5f, 0.333334506f, -0.250001043f, 0.199908197f, -0.166469827f, 0.144782737f,
                           -0.131640807f, 0.104697868f, -0.0451207533f);
    return fma(e, Pack<T>(F::kLn2Hi), r + fma(r2, p, e * Pack<T>(F::kLn2Lo)));
  } else {
    const Pack<T> p = poly(r, r2, -0.5, 0.33333333333333753, -0.25000000000010614, 0.19999999999848836,
                           -0.16666666663793725, 0.14285714300089589, -0.12500000291219227, 0.11111110764735796,
                           -0.099999855108769589, 0.090908932249636587, -0.083337054222863707, 0.076933849201311202,
                           -0.071385635957216337, 0.066433582280557138, -0.062500126505174697, 0.060833306945082502,
                           -0.059677365911973763, 0.050678509879377262, -0.029368361956196239, 0.0080823210581105059);
    const Pack<T> a = e * Pack<T>(F::kLn2Hi), sum = a + r, lost = r - (sum - a);
    return sum + fma(r2, p, fma(e, Pack<T>(F::kLn2Lo), lost));
  }
}

// y where 0 < x < infinity, else what a logarithm is there.
template <class T>
FL_FN Pack<T> log_or_limit(Pack<T> x, Pack<T> y) {
  const Pack<T> zero = T(0), infinity = Format<T>::kInfinity;
  return select(x > zero, select(x < infinity, y, x), select(x == zero, -infinity, infinity - infinity));
}

// ulp 1.1 / 1.1.
template <class T>
FL_FN Pack<T> log(Pack<T> x) {
  Pack<T> e;
  const Pack<T> m = split(x, e);
  return log_or_limit(x, log_of_parts(e, m - Pack<T>(T(1))));
}

// log(1 + x), without cancellation near 0: r = (1 + x) / 2^e - 1 is formed from x, not from the rounded sum.
// ulp 1.0 / 1.1.
template <class T>
FL_FN Pack<T> log1p(Pack<T> x) {
  using F = Format<T>;
  const Pack<T> one = T(1), quarter = T(0.25), sum = one + x;
  Pack<T> e;
  split(sum, e);
  const Pack<T> s = power_of_two(Pack<T>(F::kWhole) - e, 2);  // four times too large: 2^-e may be subnormal
  const Pack<T> r = fma(x * quarter, s, fma(s, quarter, -one));
  return select(abs(x) < Pack<T>(F::kTiny), x, log_or_limit(sum, log_of_parts(e, r)));
}

// ulp 1.4 / 1.4.
template <class T>
FL_FN Pack<T> log2(Pack<T> x) {
  using F = Format<T>;
  Pack<T> e;
  const Pack<T> r = split(x, e) - Pack<T>(T(1)), r2 = r * r, a = Pack<T>(F::kLog2e);
  Pack<T> p;
  if constexpr (sizeof(T) == 4) {
    p = poly(r, r2, -0.721347511f, 0.480900079f, -0.360676169f, 0.288406074f, -0.240141377f, 0.208842829f,
             -0.190086558f, 0.151561692f, -0.0654877797f);
  } else {
    p = poly(r, r2, -0.72134752044448125, 0.48089834696299649, -0.36067376022254144, 0.28853900817520156,
             -0.24044917342316108, 0.20609929177347283, -0.18033688524723879, 0.16029944496550452, -0.14426926788552275,
             0.13115379847658354, -0.12023034517693686, 0.11099371843770589, -0.10298608566499913, 0.095826138366070138,
             -0.09014938641946614, 0.087818197060385753, -0.086263152075326796, 0.073272685808461205,
             -0.042405839778494887, 0.011642791198246938);
  }
  const Pack<T> head = r * a, low = fma(r, Pack<T>(F::kLog2eLo), product_error(r, a, head));
  const Pack<T> sum = e + head, lost = head - (sum - e);
  return log_or_limit(x, sum + (fma(r2, p, low) + lost));
}

// A sum of two numbers of which the second is much the smaller.
template <class T>
struct Double {
  Pack<T> hi, lo;
};
template <class T>
FL_FN Double<T> two_product(Double<T> a, Double<T> b) {
  const Pack<T> hi = a.hi * b.hi;
  return {hi, product_error(a.hi, b.hi, hi) + fma(a.hi, b.lo, a.lo * b.hi)};
}
// |a| >= |b.hi|, or a = 0
template <class T>
FL_FN Double<T> two_sum(Pack<T> a, Double<T> b) {
  const Pack<T> hi = a + b.hi;
  return {hi, (b.hi - (hi - a)) + b.lo};
}

// log2 of x > 0 to about 1.4 times the digits of T:  with m = x / 2^e, s = (m - 1) / (m + 1), z = s^2,
// log2 x = e + s (C + z (C / 3 + z q(z))), C = 2 / ln 2.
template <class T>
FL_FN Double<T> log2_double(Pack<T> x) {
  using F = Format<T>;
  const Pack<T> one = T(1);
  Pack<T> e;
  const Pack<T> m = split(x, e), f = m - one;
  const Pack<T> u = m + one, u_lo = m - (u - one), inverse = one / u;
  const Pack<T> s_hi = f * inverse, su = s_hi * u;
  const Double<T> s = {s_hi, ((f - su) - product_error(s_hi, u, su) - s_hi * u_lo) * inverse};
  const Double<T> z = two_product(s, s);
  Pack<T> q;
  if constexpr (sizeof(T) == 4) {
    q = poly(z.hi, z.hi * z.hi, 0.577083707f, 0.411534458f, 0.344465017f);
  } else {
    q = poly(z.hi, z.hi * z.hi, 0.57707801635558542, 0.41219858311109481, 0.32059889798479935, 0.26230818798980648,
             0.22195318316391263, 0.19235440233639298, 0.16988229164262952, 0.1489546360831856, 0.16772263579409974);
  }
  const Double<T> w = two_sum(Pack<T>(F::kThirdC), {z.hi * q, Pack<T>(F::kThirdCLo)});
  const Double<T> v = two_sum(Pack<T>(2 * F::kLog2e), two_product(z, w));
  return two_sum(e, two_product(s, Double<T>{v.hi, v.lo + Pack<T>(2 * F::kLog2eLo)}));
}

// x^y with the special cases of C and NumPy: pow(x, 0) = pow(1, y) = 1 even for NaN, NaN for x < 0 and fractional y.
// ulp 1.3 / 1.6.
template <class T>
FL_FN Pack<T> pow(Pack<T> x, Pack<T> y) {
  const Pack<T> zero = T(0), one = T(1), infinity = Format<T>::kInfinity;
  const Pack<T> limit = T(sizeof(T) == 4 ? 200 : 1200), most = T(1LL << 33) * T(sizeof(T) == 4 ? 1 : 1LL << 33);
  const Pack<T> a = abs(x), b = min(most, max(-most, y));
  const Double<T> z = two_product(Double<T>{b, zero}, log2_double(a));
  Pack<T> hi = min(limit, max(-limit, z.hi)), lo = select(abs(z.hi) < limit, z.lo, zero);
  const Mask<T> at_zero = a == zero, at_limit = at_zero | (a == infinity);
  hi = select(at_limit, copysign(limit, select(at_zero, -y, y)), hi);
  lo = select(at_limit, zero, lo);
  const Pack<T> n = (hi + Pack<T>(Format<T>::kWhole)) - Pack<T>(Format<T>::kWhole);
  Pack<T> power = scale(exp2_of_fraction((hi - n) + lo), n);

  const Pack<T> half = y * Pack<T>(T(0.5));
  const Mask<T> whole = floor(y) == y, odd = whole & (floor(half) != half);
  power = select(odd, copysign(power, x), power);
  power = select((x < zero) & !whole & !at_limit, infinity - infinity, power);
  power = select((x != x) | (y != y), x + y, power);
  return select((y == zero) | (x == one), one, power);
}
