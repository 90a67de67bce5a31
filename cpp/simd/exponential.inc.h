// exp, exp2, expm1, tanh, sinh, cosh, erf. No guard, no includes, no namespace: see math.inc.h.

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

// ulp 1.1 / 1.0.
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

// ulp 1.3 / 1.3.
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
// ulp 1.3 / 1.2.
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
// ulp 2.4 / 2.3.
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

// ulp 1.6 / 1.6.
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
// ulp 1.4 / 1.3.
template <class T>
FL_FN Pack<T> cosh(Pack<T> x) {
  const Pack<T> e = half_exp(abs(x));
  return e + Pack<T>(T(0.25)) / e;
}

// 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x: a polynomial near 0, else 1 - exp(log erfc).
// ulp 1.1 / 1.1.
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
