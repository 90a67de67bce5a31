// FORMULAS of one argument: y = f(x) and dy/dx = df(x, y).
//
// No guard, no includes, no namespace: included once in each namespace that supplies X (a register, a scalar on the
// device, a recorded value). Literals are integers or X(0.5). `select` evaluates both sides: guard the argument, or the
// derivative of the side not taken is NaN. Next to each name in elementwise.h stands which of x and y its df reads.

// One formula, one line.
// clang-format off

struct Negative {
  template <class X> FL_FN static X f(X x) { return -x; }
  template <class X> FL_FN static X df(X, X) { return X(-1); }
};
struct Sign {
  template <class X> FL_FN static X f(X x) { return select(x > 0, X(1), select(x < 0, X(-1), select(x == 0, X(0), x))); }
  template <class X> FL_FN static X df(X, X) { return X(0); }
};
struct Abs {
  template <class X> FL_FN static X f(X x) { return abs(x); }
  template <class X> FL_FN static X df(X x, X) { return Sign::f(x); }
};
struct Square {
  template <class X> FL_FN static X f(X x) { return x * x; }
  template <class X> FL_FN static X df(X x, X) { return 2 * x; }
};
struct Reciprocal {
  template <class X> FL_FN static X f(X x) { return 1 / x; }
  template <class X> FL_FN static X df(X, X y) { return -(y * y); }
};
struct Sqrt {
  template <class X> FL_FN static X f(X x) { return sqrt(x); }
  template <class X> FL_FN static X df(X, X y) { return X(0.5) / y; }
};
struct Exp {
  template <class X> FL_FN static X f(X x) { return exp(x); }
  template <class X> FL_FN static X df(X, X y) { return y; }
};
struct Expm1 {
  template <class X> FL_FN static X f(X x) { return expm1(x); }
  template <class X> FL_FN static X df(X x, X) { return exp(x); }  // y + 1 has no digits where y is nearly -1
};
struct Log {
  template <class X> FL_FN static X f(X x) { return log(x); }
  template <class X> FL_FN static X df(X x, X) { return 1 / x; }
};
struct Log1p {
  template <class X> FL_FN static X f(X x) { return log1p(x); }
  template <class X> FL_FN static X df(X x, X) { return 1 / (1 + x); }
};
struct Sin {
  template <class X> FL_FN static X f(X x) { return sin(x); }
  template <class X> FL_FN static X df(X x, X) { return cos(x); }
};
struct Cos {
  template <class X> FL_FN static X f(X x) { return cos(x); }
  template <class X> FL_FN static X df(X x, X) { return -sin(x); }
};
struct Tanh {
  template <class X> FL_FN static X f(X x) { return tanh(x); }
  template <class X> FL_FN static X df(X, X y) { return 1 - y * y; }
};
struct Erf {
  template <class X> FL_FN static X f(X x) { return erf(x); }
  template <class X> FL_FN static X df(X x, X) { return X(1.1283791670955126) * exp(-(x * x)); }  // 2 / sqrt(pi)
};

// 1 / (1 + exp(-x)), from exp of a negative number only, so that nothing overflows.
struct Sigmoid {
  template <class X> FL_FN static X f(X x) {
    const X z = exp(-abs(x));
    return select(x < 0, z, X(1)) / (1 + z);
  }
  template <class X> FL_FN static X df(X, X y) { return y * (1 - y); }
};
// In derivatives: recorded, it is one call, whose derivative is y (1 - y) at 0 too, where that of abs is not.
template <class X> FL_FN X logistic(X x) { return Sigmoid::f(x); }
// Its logarithm and softplus: log(1 + exp(x)) = max(x, 0) + log1p(exp(-|x|)).
struct Softplus {
  template <class X> FL_FN static X f(X x) { return select(x <= 0, X(0), x) + log1p(exp(-abs(x))); }
  template <class X> FL_FN static X df(X x, X) { return logistic(x); }
};
struct Relu {
  template <class X> FL_FN static X f(X x) { return select(x <= 0, X(0), x); }  // NaN stays NaN
  template <class X> FL_FN static X df(X, X y) { return select(y > 0, X(1), X(0)); }
};
// x Phi(x), Phi the normal distribution function. Hendrycks & Gimpel 2016; not the tanh approximation.
struct Gelu {
  template <class X> FL_FN static X phi(X x) { return X(0.5) * (1 + erf(X(0.7071067811865476) * x)); }
  template <class X> FL_FN static X f(X x) { return x * phi(x); }
  template <class X> FL_FN static X df(X x, X) {
    return phi(x) + x * (X(0.3989422804014327) * exp(X(-0.5) * (x * x)));  // 1 / sqrt(2 pi)
  }
};
// x sigmoid(x), also called swish. Elfwing et al. 2018.
struct Silu {
  template <class X> FL_FN static X f(X x) { return x * Sigmoid::f(x); }
  template <class X> FL_FN static X df(X x, X) {
    const X s = logistic(x);
    return s * (1 + x * (1 - s));
  }
};
struct Floor {
  template <class X> FL_FN static X f(X x) { return floor(x); }
  template <class X> FL_FN static X df(X, X) { return X(0); }
};
struct Ceil {
  template <class X> FL_FN static X f(X x) { return ceil(x); }
  template <class X> FL_FN static X df(X, X) { return X(0); }
};
struct Trunc {
  template <class X> FL_FN static X f(X x) { return trunc(x); }
  template <class X> FL_FN static X df(X, X) { return X(0); }
};
struct Round {
  template <class X> FL_FN static X f(X x) { return round(x); }
  template <class X> FL_FN static X df(X, X) { return X(0); }
};
