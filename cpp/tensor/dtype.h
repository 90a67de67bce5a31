// Which types can an element have, and what do two of them make together?
#ifndef FALLLINE_TENSOR_DTYPE_H_
#define FALLLINE_TENSOR_DTYPE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "tensor/error.h"

namespace fallline {

// One row per type: enumerator, C++ type, NumPy's name, buffer-protocol format.
#define FL_DTYPES(X)                  \
  X(kBool, bool, "bool", "?")         \
  X(kInt8, int8_t, "int8", "b")       \
  X(kInt16, int16_t, "int16", "h")    \
  X(kInt32, int32_t, "int32", "i")    \
  X(kInt64, int64_t, "int64", "q")    \
  X(kUint8, uint8_t, "uint8", "B")    \
  X(kUint16, uint16_t, "uint16", "H") \
  X(kUint32, uint32_t, "uint32", "I") \
  X(kUint64, uint64_t, "uint64", "Q") \
  X(kFloat32, float, "float32", "f")  \
  X(kFloat64, double, "float64", "d")

enum class DType : uint8_t {
#define FL_ROW(name, type, text, format) name,
  FL_DTYPES(FL_ROW)
#undef FL_ROW
};
constexpr int kDTypes = 11;

template <class T>
struct DTypeOf;
#define FL_ROW(name, type, text, format)        \
  template <>                                   \
  struct DTypeOf<type> {                        \
    static constexpr DType value = DType::name; \
  };
FL_DTYPES(FL_ROW)
#undef FL_ROW
template <class T>
constexpr DType kDTypeOf = DTypeOf<T>::value;

template <class T>
struct Tag {
  using Type = T;
};

// Calls f(Tag<T>{}) for the C++ type of `dtype`.
template <class F>
decltype(auto) visit(DType dtype, F&& f) {
  switch (dtype) {
#define FL_ROW(name, type, text, format) \
  case DType::name:                      \
    return f(Tag<type>{});
    FL_DTYPES(FL_ROW)
#undef FL_ROW
  }
  return f(Tag<double>{});
}

struct DTypeInfo {
  const char* name;
  const char* format;
  size_t size;
};
inline const DTypeInfo& info(DType dtype) {
  static constexpr DTypeInfo kInfo[kDTypes] = {
#define FL_ROW(name, type, text, format) {text, format, sizeof(type)},
      FL_DTYPES(FL_ROW)
#undef FL_ROW
  };
  return kInfo[static_cast<int>(dtype)];
}

inline size_t size_of(DType dtype) { return info(dtype).size; }
inline const char* name_of(DType dtype) { return info(dtype).name; }
inline bool is_float(DType dtype) { return dtype >= DType::kFloat32; }
inline bool is_unsigned(DType dtype) { return dtype >= DType::kUint8 && dtype <= DType::kUint64; }
inline bool is_integer(DType dtype) { return dtype >= DType::kInt8 && dtype <= DType::kUint64; }

// The place of a float type in kernel tables: [0] float, [1] double.
inline int float_index(DType dtype) { return dtype == DType::kFloat64; }

// NumPy's promotion (NEP 50) of two array types.
inline DType promote(DType a, DType b) {
  if (a == b || b == DType::kBool) return a;
  if (a == DType::kBool) return b;
  if (is_float(a) || is_float(b)) {
    if (is_float(a) && is_float(b)) return DType::kFloat64;
    const DType real = is_float(a) ? a : b, whole = is_float(a) ? b : a;
    return size_of(whole) <= 2 ? real : DType::kFloat64;
  }
  const auto larger = size_of(a) >= size_of(b) ? a : b;
  if (is_unsigned(a) == is_unsigned(b)) return larger;
  const DType sign = is_unsigned(a) ? b : a, nosign = is_unsigned(a) ? a : b;
  if (size_of(sign) > size_of(nosign)) return sign;
  switch (nosign) {  // a signed type that holds both
    case DType::kUint8:
      return DType::kInt16;
    case DType::kUint16:
      return DType::kInt32;
    case DType::kUint32:
      return DType::kInt64;
    default:
      return DType::kFloat64;
  }
}

}  // namespace fallline

#endif  // FALLLINE_TENSOR_DTYPE_H_
