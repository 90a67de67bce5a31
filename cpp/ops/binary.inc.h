// FORMULAS of two arguments: z = f(x, y), dz/dx = dfa(x, y, z), dz/dy = dfb(x, y, z).  See unary.inc.h for the rules.

// One formula, one line.
// clang-format off

struct Add {
  template <class X> FL_FN static X f(X x, X y) { return x + y; }
  template <class X> FL_FN static X dfa(X, X, X) { return X(1); }
  template <class X> FL_FN static X dfb(X, X, X) { return X(1); }
};
struct Subtract {
  template <class X> FL_FN static X f(X x, X y) { return x - y; }
  template <class X> FL_FN static X dfa(X, X, X) { return X(1); }
  template <class X> FL_FN static X dfb(X, X, X) { return X(-1); }
};
struct Multiply {
  template <class X> FL_FN static X f(X x, X y) { return x * y; }
  template <class X> FL_FN static X dfa(X, X y, X) { return y; }
  template <class X> FL_FN static X dfb(X x, X, X) { return x; }
};
struct Divide {
  template <class X> FL_FN static X f(X x, X y) { return x / y; }
  template <class X> FL_FN static X dfa(X, X y, X) { return 1 / y; }
  template <class X> FL_FN static X dfb(X, X y, X z) { return -(z / y); }
};
// At x = 0 the derivative by y counts as 0 (the limit for y > 0), and x^0 is constant in x.
struct Power {
  template <class X> FL_FN static X f(X x, X y) { return pow(x, y); }
  template <class X> FL_FN static X dfa(X x, X y, X) {
    return select(y == 0, X(0), y * pow(x, select(y == 0, X(1), y - 1)));
  }
  template <class X> FL_FN static X dfb(X x, X, X z) {
    return select(x == 0, X(0), z * log(select(x == 0, X(1), x)));
  }
};
// NaN in either argument gives NaN, as in NumPy; at a tie each argument takes half of the gradient.
struct Maximum {
  template <class X> FL_FN static X f(X x, X y) { return select((x >= y) | (x != x), x, y); }
  template <class X> FL_FN static X dfa(X x, X y, X) { return select(x > y, X(1), select(x == y, X(0.5), X(0))); }
  template <class X> FL_FN static X dfb(X x, X y, X) { return select(y > x, X(1), select(x == y, X(0.5), X(0))); }
};
struct Minimum {
  template <class X> FL_FN static X f(X x, X y) { return select((x <= y) | (x != x), x, y); }
  template <class X> FL_FN static X dfa(X x, X y, X) { return select(x < y, X(1), select(x == y, X(0.5), X(0))); }
  template <class X> FL_FN static X dfb(X x, X y, X) { return select(y < x, X(1), select(x == y, X(0.5), X(0))); }
};
