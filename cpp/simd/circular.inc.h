// sin, cos, atan. No guard, no includes, no namespace: see math.inc.h.

template <class T>
constexpr T kSineLimit = sizeof(T) == 4 ? 10000 : 100000;

// sin(x + quarter pi / 2) for |x| <= kSineLimit. With n = round(2 x / pi), x - n pi / 2 = r + low; pi / 2 is cut into
// parts so short that all but the last n * part are exact, fused or not.
template <class T>
FL_FN Pack<T> sine(Pack<T> x, int quarter) {
  using F = Format<T>;
  using I = SignedOf<T>;
  const Pack<T> whole = fma(x, Pack<T>(T(0x1.45f306dc9c883p-1)), Pack<T>(F::kWhole)), n = whole - Pack<T>(F::kWhole);
  Pack<T> head, part, rest;
  if constexpr (sizeof(T) == 4) {
    head = fma(n, Pack<T>(-0x1.fb4p-12f), fma(n, Pack<T>(-0x1.92p0f), x));
    part = n * Pack<T>(0x1.444p-24f);
    rest = n * Pack<T>(-0x1.68c234p-39f);
  } else {
    head = fma(n, Pack<T>(-0x1.921fb5444p0), x);
    part = n * Pack<T>(0x1.68c234c4cp-39);
    rest = n * Pack<T>(-0x1.98a2e03707345p-77);
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

// y, but f(x) from the C library in the lanes beyond kSineLimit.
template <class T, class F>
FL_FN Pack<T> where_large(Pack<T> x, Pack<T> y, F f) {
  constexpr T kLimit = kSineLimit<T>;
  if (!any(abs(x) > Pack<T>(kLimit))) return y;
  T in[Pack<T>::kLanes], out[Pack<T>::kLanes];
  x.store(in);
  y.store(out);
  for (size_t i = 0; i < Pack<T>::kLanes; ++i) {
    if (std::abs(in[i]) > kLimit) out[i] = f(in[i]);
  }
  return Pack<T>::load(out);
}

// ulp 1.3 / 1.3 where |x| <= kSineLimit, beyond as the C library.
template <class T>
FL_FN Pack<T> sin(Pack<T> x) {
  const Pack<T> y = select(abs(x) < Pack<T>(Format<T>::kTiny), x, sine(x, 0));
  return where_large(x, y, [](T one) { return std::sin(one); });
}
// ulp 1.3 / 1.3 where |x| <= kSineLimit, beyond as the C library.
template <class T>
FL_FN Pack<T> cos(Pack<T> x) {
  return where_large(x, sine(x, 1), [](T one) { return std::cos(one); });
}

// ulp 1.3 / 1.3.
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
