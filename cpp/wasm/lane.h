// What number does a rule step with in the browser?  One that rounds and flushes as the library's step does.
//
// A library step runs in float32 or float64 with subnormal numbers as zero; WebAssembly has no such mode. Here every
// result is formed in float64, rounded to float32 where that is asked for (once rounded or twice, + - * / and sqrt of
// float32 numbers are the same: 53 >= 2 * 24 + 2 digits), and set to zero where it is subnormal.
#ifndef FALLLINE_WASM_LANE_H_
#define FALLLINE_WASM_LANE_H_

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

struct Lane {
  double v;
  Lane() = default;
  __attribute__((noinline)) Lane(double x) : v(rounded(x)) {
    if (std::abs(v) < mode.smallest) v = std::copysign(0.0, v);
  }
  struct Same {};
  Lane(double x, Same) : v(x) {}

  friend Lane operator+(Lane x, Lane y) { return x.v + y.v; }
  friend Lane operator-(Lane x, Lane y) { return x.v - y.v; }
  friend Lane operator*(Lane x, Lane y) { return x.v * y.v; }
  friend Lane operator/(Lane x, Lane y) { return x.v / y.v; }
  friend Lane operator-(Lane x) { return {-x.v, Same()}; }
  friend bool operator==(Lane x, Lane y) { return x.v == y.v; }
  friend bool operator!=(Lane x, Lane y) { return x.v != y.v; }
  friend bool operator<(Lane x, Lane y) { return x.v < y.v; }
  friend bool operator<=(Lane x, Lane y) { return x.v <= y.v; }
  friend bool operator>(Lane x, Lane y) { return x.v > y.v; }
  friend bool operator>=(Lane x, Lane y) { return x.v >= y.v; }
};

// As in scalar.h.
inline Lane select(bool m, Lane yes, Lane no) { return m ? yes : no; }
inline Lane max(Lane a, Lane b) { return a.v > b.v ? a : b; }
inline Lane min(Lane a, Lane b) { return a.v < b.v ? a : b; }
inline Lane abs(Lane x) { return {std::abs(x.v), Lane::Same()}; }
inline Lane sqrt(Lane x) { return std::sqrt(x.v); }
inline Lane root(Lane x) { return sqrt(x); }
inline Lane square_bound(Lane) { return mode.single ? 0x1p62 : 0x1p510; }

}  // namespace wasm
}  // namespace fallline

#endif  // FALLLINE_WASM_LANE_H_
