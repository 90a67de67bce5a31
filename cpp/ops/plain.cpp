// Comparisons, integer arithmetic, casts and selection over every dtype.
#include "ops/plain.h"

#include <atomic>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <type_traits>

#include "ops/iterate.h"

namespace fallline {
namespace {

constexpr int64_t kFewBytes = 1024;

// One run of elements, each array with its step; the walk over the runs is compiled once, not for every type.
using Row1 = void (*)(const void* x, int64_t x_step, void* out, int64_t out_step, int64_t n);
using Row2 = void (*)(const void* x, int64_t x_step, const void* y, int64_t y_step, void* out, int64_t out_step,
                      int64_t n);

const std::byte* at(const Array& x, int64_t offset) { return x.data + offset * static_cast<int64_t>(size_of(x.dtype)); }
std::byte* to(const Array& x, int64_t offset) { return x.data + offset * static_cast<int64_t>(size_of(x.dtype)); }

void walk(Row1 row, const Array& x, const Array& out) {
  const Dims xs = broadcast_strides(x.shape, x.strides, out.shape);
  for_each_run<2>(out.shape, {&out.strides, &xs}, [&](const int64_t* offset, int64_t n, const int64_t* step) {
    row(at(x, offset[1]), step[1], to(out, offset[0]), step[0], n);
  });
}

void walk(Row2 row, const Array& x, const Array& y, const Array& out) {
  const Dims xs = broadcast_strides(x.shape, x.strides, out.shape),
             ys = broadcast_strides(y.shape, y.strides, out.shape);
  for_each_run<3>(out.shape, {&out.strides, &xs, &ys}, [&](const int64_t* offset, int64_t n, const int64_t* step) {
    row(at(x, offset[1]), step[1], at(y, offset[2]), step[2], to(out, offset[0]), step[0], n);
  });
}

// out[i] = Op::f(x[i], y[i])
template <class Op, class R, class T>
void zip_row(const void* x, int64_t x_step, const void* y, int64_t y_step, void* out, int64_t out_step, int64_t n) {
  const T *a = static_cast<const T*>(x), *b = static_cast<const T*>(y);
  R* z = static_cast<R*>(out);
  for (int64_t i = 0; i < n; ++i) z[i * out_step] = static_cast<R>(Op::f(a[i * x_step], b[i * y_step]));
}

// out[i] = Op::f(x[i])
template <class Op, class R, class T>
void map_row(const void* x, int64_t x_step, void* out, int64_t out_step, int64_t n) {
  const T* a = static_cast<const T*>(x);
  R* z = static_cast<R*>(out);
  if (x_step == 1 && out_step == 1) {
    for (int64_t i = 0; i < n; ++i) z[i] = Op::template f<R>(a[i]);
  } else {
    for (int64_t i = 0; i < n; ++i) z[i * out_step] = Op::template f<R>(a[i * x_step]);
  }
}

struct Equal {
  template <class T>
  static bool f(T a, T b) {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  static bool f(T a, T b) {
    return a != b;
  }
};
struct Less {
  template <class T>
  static bool f(T a, T b) {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  static bool f(T a, T b) {
    return a <= b;
  }
};
struct Greater {
  template <class T>
  static bool f(T a, T b) {
    return a > b;
  }
};
struct GreaterEqual {
  template <class T>
  static bool f(T a, T b) {
    return a >= b;
  }
};
struct LogicalAnd {
  template <class T>
  static bool f(T a, T b) {
    return (a != T(0)) & (b != T(0));
  }
};
struct LogicalOr {
  template <class T>
  static bool f(T a, T b) {
    return (a != T(0)) | (b != T(0));
  }
};
struct LogicalXor {
  template <class T>
  static bool f(T a, T b) {
    return (a != T(0)) != (b != T(0));
  }
};

// Integers wrap around like NumPy's: computed without sign, where overflow is defined. 16 bits and fewer go through
// unsigned int, since C++ would promote them to int.
template <class T>
using Wrapping = std::conditional_t<(sizeof(T) < 4), unsigned,
                                    std::make_unsigned_t<std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>>>;

#define FL_WRAPPING(Name, op)                                        \
  struct Name {                                                      \
    template <class T>                                               \
    static T f(T a, T b) {                                           \
      using W = Wrapping<T>;                                         \
      return static_cast<T>(static_cast<W>(a) op static_cast<W>(b)); \
    }                                                                \
  };
FL_WRAPPING(IntAdd, +)
FL_WRAPPING(IntSubtract, -)
FL_WRAPPING(IntMultiply, *)
FL_WRAPPING(BitAnd, &)
FL_WRAPPING(BitOr, |)
FL_WRAPPING(BitXor, ^)
#undef FL_WRAPPING
struct IntMaximum {
  template <class T>
  static T f(T a, T b) {
    return a > b ? a : b;
  }
};
struct IntMinimum {
  template <class T>
  static T f(T a, T b) {
    return a < b ? a : b;
  }
};
struct IntPower {  // by repeated squaring; a negative exponent is refused by the caller
  template <class T>
  static T f(T base, T exponent) {
    using W = Wrapping<T>;
    W x = static_cast<W>(base), y = 1;
    for (auto e = static_cast<uint64_t>(exponent); e; e >>= 1, x = static_cast<W>(x * x))
      if (e & 1) y = static_cast<W>(y * x);
    return static_cast<T>(y);
  }
};
// Floor division and its remainder, which takes the divisor's sign, as in Python; by zero: 0 for integers, IEEE's
// result for floats.
struct Remainder {
  template <class T>
  static T f(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      const T r = std::fmod(a, b);
      if (r == T(0)) return std::copysign(T(0), b);
      return (r < T(0)) != (b < T(0)) ? r + b : r;
    } else {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>)
        if (b == T(-1)) return T(0);
      const T r = static_cast<T>(a % b);
      return r != T(0) && (r < T(0)) != (b < T(0)) ? static_cast<T>(r + b) : r;
    }
  }
};
// The remainder of the division rounded towards zero, which takes the dividend's sign, as in C.
struct Fmod {
  template <class T>
  static T f(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>)
        if (b == T(-1)) return T(0);
      return static_cast<T>(a % b);
    }
  }
};
struct FloorDivide {
  template <class T>
  static T f(T a, T b) {
    if constexpr (std::is_floating_point_v<T>) {
      if (b == T(0)) return a / b;
      const T r = std::fmod(a, b), q = (a - r) / b - T(r != T(0) && (r < T(0)) != (b < T(0)));
      if (q == T(0)) return std::copysign(T(0), a / b);
      const T whole = std::floor(q);
      return q - whole > T(0.5) ? whole + T(1) : whole;  // the quotient is whole but for rounding
    } else {
      if (b == T(0)) return T(0);
      if constexpr (std::is_signed_v<T>)
        if (b == T(-1)) return IntSubtract::f(T(0), a);
      const T q = static_cast<T>(a / b);
      return a % b != T(0) && (a < T(0)) != (b < T(0)) ? static_cast<T>(q - T(1)) : q;
    }
  }
};
struct ShiftLeft {
  template <class T>
  static T f(T a, T b) {
    return static_cast<uint64_t>(b) >= 8 * sizeof(T) ? T(0) : static_cast<T>(static_cast<Wrapping<T>>(a) << b);
  }
};
struct ShiftRight {
  template <class T>
  static T f(T a, T b) {
    if (static_cast<uint64_t>(b) >= 8 * sizeof(T)) return a < T(0) ? static_cast<T>(-1) : T(0);
    return static_cast<T>(a >> b);
  }
};

struct IsNan {
  template <class R, class T>
  static bool f(T a) {
    return a != a;
  }
};
struct IsInf {
  template <class R, class T>
  static bool f(T a) {
    if constexpr (std::is_floating_point_v<T>)
      return std::isinf(a);
    else
      return false;
  }
};
struct IsFinite {
  template <class R, class T>
  static bool f(T a) {
    if constexpr (std::is_floating_point_v<T>)
      return std::isfinite(a);
    else
      return true;
  }
};
struct LogicalNot {
  template <class R, class T>
  static bool f(T a) {
    return a == T(0);
  }
};
struct Cast {
  template <class R, class T>
  static R f(T a) {
    if constexpr (std::is_same_v<R, bool>)
      return a != T(0);
    else
      return static_cast<R>(a);
  }
};

template <class Op>
void run_compare(const Array& x, const Array& y, const Array& out) {
  visit(x.dtype, [&](auto tag) { walk(zip_row<Op, bool, typename decltype(tag)::Type>, x, y, out); });
}

template <class Op>
void run_integer(const Array& x, const Array& y, const Array& out) {
  visit(x.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    constexpr bool kFloats =
        std::is_same_v<Op, Remainder> || std::is_same_v<Op, Fmod> || std::is_same_v<Op, FloorDivide>;
    if constexpr (std::is_same_v<T, bool>) {
      walk(zip_row<Op, bool, uint8_t>, x, y, out);
    } else if constexpr (!std::is_floating_point_v<T> || kFloats) {
      walk(zip_row<Op, T, T>, x, y, out);
    } else {
      throw DTypeError("[integer arithmetic] takes integers or bool, got " + std::string(name_of(x.dtype)));
    }
  });
}

template <class Op>
void run_test(const Array& x, const Array& out) {
  visit(x.dtype, [&](auto tag) { walk(map_row<Op, bool, typename decltype(tag)::Type>, x, out); });
}

using Compare = void (*)(const Array&, const Array&, const Array&);
using Test = void (*)(const Array&, const Array&);

}  // namespace

void compare(CompareOp op, const Array& x, const Array& y, const Array& out) {
#define FL_ROW(Op, name) run_compare<Op>,
  static constexpr Compare kRows[] = {FL_COMPARE_OPS(FL_ROW)};
#undef FL_ROW
  kRows[static_cast<int>(op)](x, y, out);
}

namespace {
void check_exponents(const Array& y) {
  std::atomic<bool> negative{false};
  visit(y.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for_each_run<1>(y.shape, {&y.strides}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      bool found = false;
      for (int64_t i = 0; i < n; ++i) found |= y.as<T>()[at[0] + i * step[0]] < T(0);
      if (found) negative = true;
    });
  });
  if (negative)
    throw std::invalid_argument("[power] integers have no negative integer powers; convert x to a float dtype");
}
}  // namespace

void integer(IntegerOp op, const Array& x, const Array& y, const Array& out) {
  if (op == IntegerOp::kIntPower && !is_unsigned(y.dtype)) check_exponents(y);
#define FL_ROW(Op, name) run_integer<Op>,
  static constexpr Compare kRows[] = {FL_INTEGER_OPS(FL_ROW)};
#undef FL_ROW
  kRows[static_cast<int>(op)](x, y, out);
}

void test(TestOp op, const Array& x, const Array& out) {
#define FL_ROW(Op, name) run_test<Op>,
  static constexpr Test kRows[] = {FL_TEST_OPS(FL_ROW)};
#undef FL_ROW
  kRows[static_cast<int>(op)](x, out);
}

void where(const Array& condition, const Array& x, const Array& y, const Array& out) {
  const Dims cs = broadcast_strides(condition.shape, condition.strides, out.shape);
  const Dims xs = broadcast_strides(x.shape, x.strides, out.shape),
             ys = broadcast_strides(y.shape, y.strides, out.shape);
  visit(out.dtype, [&](auto tag) {
    using T = typename decltype(tag)::Type;
    for_each_run<4>(out.shape, {&out.strides, &cs, &xs, &ys}, [&](const int64_t* at, int64_t n, const int64_t* step) {
      T* z = out.as<T>() + at[0];
      const bool* c = condition.as<bool>() + at[1];
      const T *a = x.as<T>() + at[2], *b = y.as<T>() + at[3];
      for (int64_t i = 0; i < n; ++i) z[i * step[0]] = c[i * step[1]] ? a[i * step[2]] : b[i * step[3]];
    });
  });
}

void cast(const Array& x, const Array& out) {
  // A few bytes in one order: what looks at shapes would take longer than the copy.
  if (x.dtype == out.dtype && x.shape == out.shape && out.bytes() <= kFewBytes &&
      (x.size() == 1 || (x.strides == out.strides && is_dense(x.shape, x.strides)))) {
    std::memmove(out.data, x.data, static_cast<size_t>(out.bytes()));
    return;
  }
  visit(x.dtype, [&](auto from) {
    visit(out.dtype, [&](auto into) {
      walk(map_row<Cast, typename decltype(into)::Type, typename decltype(from)::Type>, x, out);
    });
  });
}

}  // namespace fallline
