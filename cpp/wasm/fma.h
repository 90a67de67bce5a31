// How is a b + c rounded once without an instruction for it?
#ifndef FALLLINE_WASM_FMA_H_
#define FALLLINE_WASM_FMA_H_

#include <cmath>
#include <cstdint>
#include <cstring>

namespace fallline {
namespace wasm {

struct Sum {
  double high, low;
};
// a + b = high + low, exactly. Knuth 1969.
inline Sum two_sum(double a, double b) {
  const double high = a + b, of_b = high - a;
  return {high, (a - (high - of_b)) + (b - of_b)};
}
// a b = high + low, exactly: products of halves. Dekker 1971.
inline Sum two_product(double a, double b) {
  const double p = 134217729.0 * a, q = 134217729.0 * b;  // 2^27 + 1
  const double ah = p - (p - a), al = a - ah, bh = q - (q - b), bl = b - bh;
  const double high = a * b;
  return {high, ((ah * bh - high) + ah * bl + al * bh) + al * bl};
}

// The sum of two numbers; where it is not exact, that neighbour of it whose last digit is odd.
inline double odd_sum(double a, double b) {
  const Sum s = two_sum(a, b);
  uint64_t bits;
  std::memcpy(&bits, &s.high, sizeof bits);
  if (s.low == 0 || (bits & 1)) return s.high;
  bits += (s.low > 0) == (s.high > 0) ? 1 : -1;
  double out;
  std::memcpy(&out, &bits, sizeof out);
  return out;
}

// Whether 2^-300 <= |x| < 2^300.
inline bool moderate(double x) {
  uint64_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return ((bits >> 52 & 0x7ff) - (1023 - 300)) < 600;
}

// Boldo & Melquiond 2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd". For
// moderate a, b and c: then nothing overflows, and nothing that matters underflows.
inline double fused(double a, double b, double c) {
  const Sum product = two_product(a, b), tail = two_sum(c, product.low), head = two_sum(product.high, tail.high);
  return head.high + odd_sum(tail.low, head.low);
}

}  // namespace wasm
}  // namespace fallline

#endif  // FALLLINE_WASM_FMA_H_
