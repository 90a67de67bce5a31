// How does a formula of two parameters give its gradient?  On numbers that carry their derivatives.
//
// For one .cpp file only: it brings the math functions to the reference's numbers, as elementwise.cpp does.
#ifndef FALLLINE_TRAIN_DUAL_H_
#define FALLLINE_TRAIN_DUAL_H_

#include "simd/scalar.h"
#include "train/landscape.h"

#undef FL_FN
#define FL_FN inline

namespace fallline {
namespace ref {
#include "simd/math.inc.h"
}  // namespace ref

namespace landscapes {

using namespace ref;
using Number = Pack<double>;

namespace formulas {
#include "ops/unary.inc.h"
#include "ops/binary.inc.h"
}  // namespace formulas

// v, and its derivatives by x and by y.
struct Dual {
  Number v, dx, dy;
  Dual(double constant) : v(constant), dx(0.0), dy(0.0) {}
  Dual(Number value, Number by_x, Number by_y) : v(value), dx(by_x), dy(by_y) {}
};

template <class F>
Dual through(const Dual& a) {
  const Number y = F::f(a.v), d = F::df(a.v, y);
  return {y, d * a.dx, d * a.dy};
}
template <class F>
Dual through(const Dual& a, const Dual& b) {
  const Number z = F::f(a.v, b.v), da = F::dfa(a.v, b.v, z), db = F::dfb(a.v, b.v, z);
  return {z, da * a.dx + db * b.dx, da * a.dy + db * b.dy};
}

inline Dual operator+(const Dual& a, const Dual& b) { return through<formulas::Add>(a, b); }
inline Dual operator-(const Dual& a, const Dual& b) { return through<formulas::Subtract>(a, b); }
inline Dual operator*(const Dual& a, const Dual& b) { return through<formulas::Multiply>(a, b); }
inline Dual operator/(const Dual& a, const Dual& b) { return through<formulas::Divide>(a, b); }
inline Dual operator-(const Dual& a) { return through<formulas::Negative>(a); }
inline Mask<double> operator==(const Dual& a, const Dual& b) { return a.v == b.v; }
inline Dual select(Mask<double> m, const Dual& yes, const Dual& no) { return m.b ? yes : no; }
inline Dual exp(const Dual& a) { return through<formulas::Exp>(a); }
inline Dual sin(const Dual& a) { return through<formulas::Sin>(a); }
inline Dual cos(const Dual& a) { return through<formulas::Cos>(a); }
inline Dual sqrt(const Dual& a) { return through<formulas::Sqrt>(a); }
inline Dual sigmoid(const Dual& a) { return through<formulas::Sigmoid>(a); }
inline Number sigmoid(Number a) { return formulas::Sigmoid::f(a); }

#include "train/landscape.inc.h"

// f(x, y), and with its gradient: three numbers.
template <class F>
double value(double x, double y) {
  return F::f(Number(x), Number(y)).v;
}
template <class F>
void gradient(double x, double y, double* out) {
  const Dual z = F::f(Dual(x, Number(1.0), Number(0.0)), Dual(y, Number(0.0), Number(1.0)));
  out[0] = z.v.v;
  out[1] = z.dx.v;
  out[2] = z.dy.v;
}

template <class F>
constexpr LandscapeRow row() {
  return {&F::kAbout,
          {F::kMinima.data(), F::kSaddles.data()},
          {F::kMinima.size(), F::kSaddles.size()},
          &value<F>,
          &gradient<F>};
}
#define FL_ROW(Name) row<Name>(),
inline constexpr LandscapeRow kLandscapes[] = {FL_LANDSCAPES(FL_ROW)};
#undef FL_ROW

}  // namespace landscapes
}  // namespace fallline

#endif  // FALLLINE_TRAIN_DUAL_H_
