// What number does a rule step with in the browser?  One that rounds and flushes as the library's step does.
//
// A library step runs in float32 or float64 with subnormal numbers as zero; WebAssembly has no such mode. Here every
// result is formed in float64, rounded to float32 where that is asked for (once rounded or twice, + - * / and sqrt of
// float32 numbers are the same: 53 >= 2 * 24 + 2 digits), and set to zero where it is subnormal.
#ifndef FALLLINE_WASM_REAL_H_
#define FALLLINE_WASM_REAL_H_

#include <cmath>
#include <type_traits>

namespace fallline {
namespace wasm {

struct Mode {
  bool single = false;    // round to float32
  double smallest = 0.0;  // results nearer to zero become zero
};
inline Mode mode;

inline double rounded(double x) { return mode.single ? static_cast<double>(static_cast<float>(x)) : x; }

struct Real {
  double v;
  Real() = default;
  __attribute__((noinline)) Real(double x) : v(rounded(x)) {
    if (std::abs(v) < mode.smallest) v = std::copysign(0.0, v);
  }
  struct Same {};
  Real(double x, Same) : v(x) {}

  friend Real operator+(Real x, Real y) { return x.v + y.v; }
  friend Real operator-(Real x, Real y) { return x.v - y.v; }
  friend Real operator*(Real x, Real y) { return x.v * y.v; }
  friend Real operator/(Real x, Real y) { return x.v / y.v; }
  friend Real operator-(Real x) { return {-x.v, Same()}; }
  friend bool operator==(Real x, Real y) { return x.v == y.v; }
  friend bool operator!=(Real x, Real y) { return x.v != y.v; }
  friend bool operator<(Real x, Real y) { return x.v < y.v; }
  friend bool operator<=(Real x, Real y) { return x.v <= y.v; }
  friend bool operator>(Real x, Real y) { return x.v > y.v; }
  friend bool operator>=(Real x, Real y) { return x.v >= y.v; }
};

// As in scalar.h.
inline Real select(bool m, Real yes, Real no) { return m ? yes : no; }
inline Real max(Real a, Real b) { return a.v > b.v ? a : b; }
inline Real min(Real a, Real b) { return a.v < b.v ? a : b; }
inline Real abs(Real x) { return {std::abs(x.v), Real::Same()}; }
inline Real sqrt(Real x) { return std::sqrt(x.v); }
inline Real root(Real x) { return sqrt(x); }
inline Real square_bound(Real) { return mode.single ? 0x1p62 : 0x1p510; }  // as in rules.inc.h
inline Real least_root(Real) { return mode.single ? 0x1p-63 : 0x1p-511; }

}  // namespace wasm
}  // namespace fallline

#endif  // FALLLINE_WASM_REAL_H_
