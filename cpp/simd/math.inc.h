// exp, log, tanh, erf, pow, sin and kin on Pack<T>, T = float or double. No guard, no includes, no namespace: included
// inside every namespace that has Pack. One text for all targets; where fma is fused the bits are the same everywhere.
//
// "ulp a / b": the largest error measured, in units of the last place of the exact result, for float / double.
// NaN in, NaN out; infinities, zeros, overflow and subnormal numbers as in NumPy, unless a line says otherwise.

// ---- Numbers in parts ----------------------------------------------------------------------------------------------

template <class T>
struct Format;
template <>
struct Format<float> {
  static constexpr int kFraction = 23, kBias = 127;
  static constexpr float kWhole = 0x1.8p23f;  // x + kWhole holds x, rounded to a whole number, in its low bits
  static constexpr float kNormal = 0x1p-126f, kInfinity = HUGE_VALF;
  static constexpr float kTiny = 0x1p-25f;                                 // 1 + x rounds to 1 below it
  static constexpr float kLn2Hi = 0x1.62e4p-1f, kLn2Lo = 0x1.7f7d1cp-20f;  // n * hi is exact for every exponent n
  static constexpr float kLog2e = 0x1.715476p0f, kLog2eLo = 0x1.4ae0cp-26f;
  static constexpr float kThirdC = 0x1.ec709ep-1f, kThirdCLo = -0x1.e2fe02p-28f;  // 2 / (3 ln 2)
  static constexpr float kHalfPi = 0x1.921fb6p0f, kHalfPiLo = -0x1.777a5cp-25f;
};
template <>
struct Format<double> {
  static constexpr int kFraction = 52, kBias = 1023;
  static constexpr double kWhole = 0x1.8p52;
  static constexpr double kNormal = 0x1p-1022, kInfinity = HUGE_VAL;
  static constexpr double kTiny = 0x1p-54;
  static constexpr double kLn2Hi = 0x1.62e42fefa38p-1, kLn2Lo = 0x1.ef35793c7673p-45;
  static constexpr double kLog2e = 0x1.71547652b82fep0, kLog2eLo = 0x1.777d0ffda0d24p-56;
  static constexpr double kThirdC = 0x1.ec709dc3a03fdp-1, kThirdCLo = 0x1.d27f05548af0cp-55;
  static constexpr double kHalfPi = 0x1.921fb54442d18p0, kHalfPiLo = 0x1.1a62633145c07p-54;
};

// 2^(n + shift) from whole = n + kWhole. The sum must be the exponent of a normal number.
template <class T>
FL_FN Pack<T> power_of_two(Pack<T> whole, int shift = 0) {
  using I = SignedOf<T>;
  return from_bits(shift_left<Format<T>::kFraction>(bits(whole) + Pack<I>(I(Format<T>::kBias + shift))));
}

// x 2^n for whole n, |n| < 2 kBias - 4, rounded once, also into the subnormal range.
template <class T>
FL_FN Pack<T> scale(Pack<T> x, Pack<T> n) {
  const Pack<T> whole = Format<T>::kWhole;
  const Pack<T> half = fma(n, Pack<T>(T(0.5)), whole);
  return x * power_of_two(half) * power_of_two((n - (half - whole)) + whole);
}

// x = m 2^e with 0.75 <= m < 1.5, exactly, for finite x > 0, subnormal or not. Any other x gives anything.
template <class T>
FL_FN Pack<T> split(Pack<T> x, Pack<T>& e) {
  using I = SignedOf<T>;
  constexpr int kFraction = Format<T>::kFraction;
  const Pack<T> whole = Format<T>::kWhole;
  const Mask<T> subnormal = x < Pack<T>(Format<T>::kNormal);
  const Pack<I> i = bits(select(subnormal, x * Pack<T>(T(1LL << kFraction)), x));
  const Pack<I> n = shift_right<kFraction>(i - bits(Pack<T>(T(0.75))));
  e = from_bits(n + bits(whole)) - whole;
  e = select(subnormal, e - Pack<T>(T(kFraction)), e);
  return from_bits(i - shift_left<kFraction>(n));
}

// c0 + c1 x + c2 x^2 + ..., in pairs: half the latency of Horner's rule for one more product (x2 = x x).
template <class T>
FL_FN Pack<T> poly(Pack<T>, Pack<T>, T c0) {
  return c0;
}
template <class T>
FL_FN Pack<T> poly(Pack<T> x, Pack<T>, T c0, T c1) {
  return fma(x, Pack<T>(c1), Pack<T>(c0));
}
template <class T, class... C>
FL_FN Pack<T> poly(Pack<T> x, Pack<T> x2, T c0, T c1, T c2, C... rest) {
  return fma(x2, poly(x, x2, c2, rest...), poly(x, x2, c0, c1));
}

// ---- Exponentials --------------------------------------------------------------------------------------------------

// (e^r - 1 - r) / r^2 for |r| <= ln(2) / 2
template <class T>
FL_FN Pack<T> exp_tail(Pack<T> r, Pack<T> r2) {
  if constexpr (sizeof(T) == 4) {
    return poly(r, r2, 0.49999997f, 0.166665435f, 0.0416675061f, 0.00836653356f, 0.00138641789f);
  } else {
    return poly(r, r2, 0.5, 0.16666666666666677, 0.041666666666666609, 0.008333333333321466, 0.0013888888888923831,
                0.00019841269886469137, 2.4801587237380507e-05, 2.7557243915578515e-06, 2.7557353132928112e-07,
                2.5109126109805375e-08, 2.088938522030549e-09);
  }
}

// x = n ln 2 + head + low with |head| <= ln(2) / 2 and head exact; whole = n + kWhole.
template <class T>
struct Reduced {
  Pack<T> whole, n, head, low;
};
template <class T>
FL_FN Reduced<T> reduce_exp(Pack<T> x) {
  using F = Format<T>;
  const Pack<T> whole = fma(x, Pack<T>(F::kLog2e), Pack<T>(F::kWhole));
  const Pack<T> n = whole - Pack<T>(F::kWhole);
  return {whole, n, fma(n, Pack<T>(-F::kLn2Hi), x), n * Pack<T>(-F::kLn2Lo)};
}

// e^x for x between the bounds that exp sets.
template <class T>
FL_FN Pack<T> exp_bounded(Pack<T> x) {
  const Reduced<T> k = reduce_exp(x);
  const Pack<T> r = k.head + k.low, r2 = r * r;
  return scale(Pack<T>(T(1)) + fma(r2, exp_tail(r, r2), r), k.n);
}

template <class T>
FL_FN Pack<T> exp(Pack<T> x) {
  const Pack<T> lo = T(sizeof(T) == 4 ? -104 : -746), hi = T(sizeof(T) == 4 ? 89 : 710);  // e^lo = 0, e^hi = infinity
  return exp_bounded(min(hi, max(lo, x)));
}

// 2^r for |r| <= 1/2 + a little
template <class T>
FL_FN Pack<T> exp2_of_fraction(Pack<T> r) {
  const Pack<T> r2 = r * r;
  Pack<T> p;
  if constexpr (sizeof(T) == 4) {
    p = poly(r, r2, 0.693147182f, 0.240226507f, 0.0555040576f, 0.00961807836f, 0.0013337275f, 0.000154559501f,
             1.44768537e-05f);
  } else {
    p = poly(r, r2, 0.69314718055994529, 0.24022650695910064, 0.055504108664822929, 0.0096181291076320695,
             0.0013333558146165938, 0.00015403530387352108, 1.525273403569181e-05, 1.3215491346842598e-06,
             1.0177985961032249e-07, 7.0533165620314946e-09, 4.4655086875482059e-10, 2.7800513101953173e-11);
  }
  return fma(r, p, Pack<T>(T(1)));
}

template <class T>
FL_FN Pack<T> exp2(Pack<T> x) {
  using F = Format<T>;
  const Pack<T> lo = T(sizeof(T) == 4 ? -151 : -1076), hi = T(sizeof(T) == 4 ? 129 : 1025);
  x = min(hi, max(lo, x));
  const Pack<T> n = (x + Pack<T>(F::kWhole)) - Pack<T>(F::kWhole);
  const Pack<T> r = x - n;
  return scale(exp2_of_fraction(r), n);
}

// e^x - 1, without cancellation near 0.
template <class T>
FL_FN Pack<T> expm1(Pack<T> x) {
  const Pack<T> lo = T(sizeof(T) == 4 ? -18 : -38), hi = T(sizeof(T) == 4 ? 89 : 710);
  const Reduced<T> k = reduce_exp(min(hi, max(lo, x)));
  const Pack<T> r = k.head + k.low, r2 = r * r;
  const Pack<T> h = power_of_two(k.whole, -1);            // half of 2^n: that of the largest n would overflow
  const Pack<T> a = h - Pack<T>(T(0.5)), b = h * k.head;  // both exact
  const Pack<T> sum = a + b, lost = b - (sum - a);
  const Pack<T> y = sum + fma(h, fma(r2, exp_tail(r, r2), k.low), lost);
  return select(abs(x) < Pack<T>(Format<T>::kTiny), x, y + y);
}

// (e^2x - 1) / (e^2x + 1) on |x|
template <class T>
FL_FN Pack<T> tanh(Pack<T> x) {
  const Pack<T> a = abs(x), one = T(1);
  const Reduced<T> k = reduce_exp(min(Pack<T>(T(sizeof(T) == 4 ? 20 : 40)), a + a));
  const Pack<T> r = k.head + k.low, r2 = r * r;
  const Pack<T> s = power_of_two(k.whole);
  const Pack<T> t = fma(s, fma(r2, exp_tail(r, r2), k.low), fma(s, k.head, s - one));  // e^2a - 1
  return copysign(t / (t + Pack<T>(T(2))), x);
}

// e^a / 2 for a >= 0, finite a little beyond where e^a overflows.
template <class T>
FL_FN Pack<T> half_exp(Pack<T> a) {
  const Reduced<T> k = reduce_exp(min(Pack<T>(T(sizeof(T) == 4 ? 90 : 711)), a));
  const Pack<T> r = k.head + k.low, r2 = r * r;
  return scale(Pack<T>(T(1)) + (k.head + fma(r2, exp_tail(r, r2), k.low)), k.n - Pack<T>(T(1)));
}

template <class T>
FL_FN Pack<T> sinh(Pack<T> x) {
  const Pack<T> a = abs(x), u = a * a;
  Pack<T> p;
  if constexpr (sizeof(T) == 4) {
    p = poly(u, u * u, 0.166666672f, 0.00833331514f, 0.000198416645f, 2.7899996e-06f);
  } else {
    p = poly(u, u * u, 0.16666666666666669, 0.0083333333333329689, 0.00019841269841532839, 2.7557319129808462e-06,
             2.5052126949655957e-08, 1.6056993221399303e-10, 7.7661164030894309e-13);
  }
  const Pack<T> e = half_exp(a);
  return copysign(select(a < Pack<T>(T(1)), fma(a * u, p, a), e - Pack<T>(T(0.25)) / e), x);
}
template <class T>
FL_FN Pack<T> cosh(Pack<T> x) {
  const Pack<T> e = half_exp(abs(x));
  return e + Pack<T>(T(0.25)) / e;
}

// 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x: a polynomial near 0, else 1 - exp(log erfc).
template <class T>
FL_FN Pack<T> erf(Pack<T> x) {
  const Pack<T> a = abs(x), one = T(1), u = a * a;
  const Pack<T> t = min(Pack<T>(T(sizeof(T) == 4 ? 4 : 6)), a) - one, t2 = t * t;
  Pack<T> near, far;
  if constexpr (sizeof(T) == 4) {
    near = poly(u, u * u, 0.128379166f, -0.376126319f, 0.112836741f, -0.0268583372f, 0.00519855786f, -0.000811576843f,
                8.25976167e-05f);
    far = poly(t, t2, -1.84960556f, -2.63896751f, -0.843096614f, -0.0416378789f, 0.0102459593f, -0.00225947076f,
               0.000431545224f, -5.19766072e-05f);
  } else {
    near = poly(u, u * u, 0.12837916709551256, -0.3761263890318356, 0.11283791670948057, -0.026866170643940274,
                0.0052239776142631407, -0.00085483263767880714, 0.00012055308580892657, -1.4925031436022813e-05,
                1.6451458049176374e-06, -1.6242542042929646e-07, 1.3881777710249001e-08, -8.1262525786516739e-10);
    far = poly(t, t2, -1.8496055099332482, -2.6389675142347913, -0.84310725635849115, -0.041561098046500204,
               0.010033825434920002, -0.0019779030277584505, 0.000237324733310017, 2.6270341653515921e-05,
               -2.7141200592034865e-05, 9.5778041897035226e-06, -2.0196350507869669e-06, 1.039351386028654e-07,
               1.2607715225083443e-07, -6.7798300055982352e-08, 2.1419469019996931e-08, -4.8371242754781899e-09,
               7.9361552035413028e-10, -9.0421253747704443e-11, 6.4033043761397076e-12, -2.1187859899092727e-13);
  }
  return copysign(select(a < Pack<T>(T(0.9375)), fma(a, near, a), one - exp_bounded(far)), x);
}

// ---- Logarithms and powers -----------------------------------------------------------------------------------------

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

template <class T>
FL_FN Pack<T> log(Pack<T> x) {
  Pack<T> e;
  const Pack<T> m = split(x, e);
  return log_or_limit(x, log_of_parts(e, m - Pack<T>(T(1))));
}

// log(1 + x), without cancellation near 0: r = (1 + x) / 2^e - 1 is formed from x, not from the rounded sum.
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

// ---- Circular functions --------------------------------------------------------------------------------------------

// sin(x + quarter pi / 2) for |x| <= 100000. With n = round(2 x / pi), x - n pi / 2 = r + low; pi / 2 is cut into parts
// so short that all but the last n * part are exact, fused or not.
template <class T>
FL_FN Pack<T> sine(Pack<T> x, int quarter) {
  using F = Format<T>;
  using I = SignedOf<T>;
  const Pack<T> whole = fma(x, Pack<T>(T(0x1.45f306dc9c883p-1)), Pack<T>(F::kWhole)), n = whole - Pack<T>(F::kWhole);
  Pack<T> head, part, rest;
  if constexpr (sizeof(T) == 4) {
    head = fma(n, Pack<T>(-0x1.fap-12f), fma(n, Pack<T>(-0x1.92p0f), x));
    part = n * Pack<T>(0x1.54p-20f);
    rest = n * Pack<T>(-0x1.10b462p-30f);
  } else {
    head = fma(n, Pack<T>(-0x1.921fb544p0), x);
    part = n * Pack<T>(0x1.0b4611a6p-34);
    rest = fma(n, Pack<T>(-0x1.b839a252049c1p-104), n * Pack<T>(-0x1.3198a2ep-69));
  }
  const Pack<T> near = head - part, low = ((head - near) - part) + rest;
  const Pack<T> r = near + low, lost = low - (r - near);
  const Pack<T> u = r * r, u2 = u * u;
  Pack<T> s, c;
  if constexpr (sizeof(T) == 4) {
    s = poly(u, u2, -0.166666672f, 0.00833337288f, -0.000198502938f, 2.80435097e-06f);
    c = poly(u, u2, 0.0416666456f, -0.00138873106f, 2.44325638e-05f);
  } else {
    s = poly(u, u2, -0.16666666666666666, 0.008333333333333099, -0.00019841269841054576, 2.7557319127897285e-06,
             -2.505208561581149e-08, 1.6056205066266247e-10, -7.4827887446382255e-13);
    c = poly(u, u2, 0.041666666666666664, -0.0013888888888888441, 2.4801587301251104e-05, -2.7557319096652871e-07,
             2.0876730821441255e-09, -1.1467903350178981e-11, 4.6404694824091386e-14);
  }
  s = r + fma(r * u, s, lost);
  c = fma(u, Pack<T>(T(-0.5)), Pack<T>(T(1))) + fma(u2, c, -(r * lost));
  const Pack<I> k = bits(whole) + Pack<I>(I(quarter));
  const Pack<I> use_cosine = Pack<I>(I(0)) - (k & Pack<I>(I(1)));
  const Pack<I> sign = shift_left<int(8 * sizeof(T)) - 2>(k & Pack<I>(I(2)));
  return from_bits(bits(s) ^ ((bits(s) ^ bits(c)) & use_cosine) ^ sign);
}

// y, but f(x) from the C library in the lanes where |x| is too large for `sine`.
template <class T, class F>
FL_FN Pack<T> where_large(Pack<T> x, Pack<T> y, F f) {
  constexpr T kLimit = 100000;
  if (!any(abs(x) > Pack<T>(kLimit))) return y;
  T in[Pack<T>::kLanes], out[Pack<T>::kLanes];
  x.store(in);
  y.store(out);
  for (size_t i = 0; i < Pack<T>::kLanes; ++i) {
    if (std::abs(in[i]) > kLimit) out[i] = f(in[i]);
  }
  return Pack<T>::load(out);
}

template <class T>
FL_FN Pack<T> sin(Pack<T> x) {
  const Pack<T> y = select(abs(x) < Pack<T>(Format<T>::kTiny), x, sine(x, 0));
  return where_large(x, y, [](T one) { return std::sin(one); });
}
template <class T>
FL_FN Pack<T> cos(Pack<T> x) {
  return where_large(x, sine(x, 1), [](T one) { return std::cos(one); });
}

template <class T>
FL_FN Pack<T> atan(Pack<T> x) {
  using F = Format<T>;
  const Pack<T> a = abs(x), one = T(1);
  const Mask<T> inverted = a > one;
  const Pack<T> z = select(inverted, one / select(inverted, a, one), a), u = z * z;
  Pack<T> p;
  if constexpr (sizeof(T) == 4) {
    p = poly(u, u * u, -0.333332986f, 0.19998534f, -0.142641008f, 0.109514892f, -0.084015049f, 0.0579254963f,
             -0.0311468374f, 0.0108983917f, -0.00179007894f);
  } else {
    p = poly(u, u * u, -0.33333333333333065, 0.19999999999951043, -0.14285714282553588, 0.11111111006441284,
             -0.090909069932470818, 0.076922797307865359, -0.066664032041735627, 0.058805228933989852,
             -0.05253497200987757, 0.04722251269688791, -0.042189963508564014, 0.036638248444203908,
             -0.029898129081300608, 0.021977894264568563, -0.01389406923254259, 0.0071919458539047498,
             -0.0028825894462221639, 0.00083050452224628444, -0.00015198480890150128, 1.3207530339845745e-05);
  }
  p = z * u * p;
  const Pack<T> half_pi = F::kHalfPi, rest = half_pi - z, lost = (half_pi - rest) - z;
  return copysign(select(inverted, rest + ((lost + Pack<T>(F::kHalfPiLo)) - p), z + p), x);
}
