// How is a number laid out, how does a power of two get in and out, and how is a polynomial evaluated?
// No guard, no includes, no namespace: see math.inc.h.

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
