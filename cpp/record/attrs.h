// What are the parameters of a call that are not arrays?  One small struct per row, whose members have names:
//   struct Along {
//     int64_t axis;
//     FL_FIELDS(axis);
//   };
#ifndef FALLLINE_RECORD_ATTRS_H_
#define FALLLINE_RECORD_ATTRS_H_

#include <cassert>
#include <memory>
#include <string>
#include <tuple>

#include "tensor/shape.h"

namespace fallline {

#define FL_FIELDS(...)                                  \
  auto fields() const { return std::tie(__VA_ARGS__); } \
  static constexpr const char* kFields = #__VA_ARGS__

inline std::string shown(const Dims& value) { return to_string(value); }
inline std::string shown(DType value) { return std::string(name_of(value)); }
inline std::string shown(bool value) { return value ? "true" : "false"; }
inline std::string shown(int64_t value) { return std::to_string(value); }
inline std::string shown(double value) {
  const std::string text = std::to_string(value);  // 0.250000
  return text.substr(0, text.find_last_not_of('0') + 1);
}
inline size_t hash_of(const Dims& value) {
  size_t hash = 0;
  for (int64_t n : value) hash = 31 * hash + static_cast<size_t>(n);
  return hash;
}
template <class T>
size_t hash_of(const T& value) {
  return static_cast<size_t>(value);
}

// A look at the parameters of a call, which lie elsewhere; empty for a row without any.
class Attrs {
 public:
  Attrs() = default;
  template <class T, class = decltype(std::declval<const T&>().fields())>
  Attrs(const T& value) : data_(&value), kind_(&kKindOf<T>) {}

  explicit operator bool() const { return data_ != nullptr; }
  template <class T>
  const T& as() const {
    assert(kind_ == &kKindOf<T>);
    return *static_cast<const T*>(data_);
  }
  friend bool operator==(const Attrs& a, const Attrs& b) {
    return a.kind_ == b.kind_ && (a.data_ == b.data_ || a.kind_->equal(a.data_, b.data_));
  }
  size_t hash() const { return data_ ? kind_->hash(data_) : 0; }
  std::string text() const { return data_ ? kind_->text(data_) : ""; }  // "axis 1, keepdims true"

 private:
  friend class OwnAttrs;
  struct Kind {
    bool (*equal)(const void* a, const void* b);
    size_t (*hash)(const void* a);
    std::string (*text)(const void* a);
    std::shared_ptr<const void> (*copy)(const void* a);
  };
  template <class T>
  static bool equal(const void* a, const void* b) {
    return static_cast<const T*>(a)->fields() == static_cast<const T*>(b)->fields();
  }
  template <class T>
  static size_t hash(const void* a) {
    return std::apply(
        [](const auto&... field) {
          size_t hash = 0;
          ((hash = 1000003 * hash + hash_of(field)), ...);
          return hash;
        },
        static_cast<const T*>(a)->fields());
  }
  template <class T>
  static std::string text(const void* a) {
    std::string out, names = T::kFields;
    size_t at = 0;
    const auto add = [&](const auto& field) {
      const size_t end = std::min(names.find(',', at), names.size());
      out += (at ? ", " : "") + names.substr(at, end - at) + " " + shown(field);
      at = std::min(names.find_first_not_of(", ", end), names.size());
    };
    std::apply([&](const auto&... field) { (add(field), ...); }, static_cast<const T*>(a)->fields());
    return out;
  }
  template <class T>
  static std::shared_ptr<const void> copy(const void* a) {
    return std::make_shared<const T>(*static_cast<const T*>(a));
  }
  template <class T>
  static constexpr Kind kKindOf = {equal<T>, hash<T>, text<T>, copy<T>};

  const void* data_ = nullptr;
  const Kind* kind_ = nullptr;
};

// The same for who keeps them; copies share them.
class OwnAttrs {
 public:
  OwnAttrs() = default;
  OwnAttrs(Attrs seen) : kind_(seen.kind_) {
    if (seen) held_ = seen.kind_->copy(seen.data_);
  }
  template <class T, class = decltype(std::declval<const T&>().fields())>
  OwnAttrs(const T& value) : OwnAttrs(Attrs(value)) {}
  operator Attrs() const {
    Attrs out;
    out.data_ = held_.get();
    out.kind_ = kind_;
    return out;
  }
  template <class T>
  const T& as() const {
    return Attrs(*this).as<T>();
  }

 private:
  std::shared_ptr<const void> held_;
  const Attrs::Kind* kind_ = nullptr;
};

}  // namespace fallline

#endif  // FALLLINE_RECORD_ATTRS_H_
