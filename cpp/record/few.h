// Where do the inputs of one call lie while it is made?  On the stack, for most calls have few.
#ifndef FALLLINE_RECORD_FEW_H_
#define FALLLINE_RECORD_FEW_H_

#include <memory>

namespace fallline {

// Room for n, without allocation up to kFew.
template <class T, int kFew>
class Few {
 public:
  explicit Few(int n) : at_(few_) {
    if (n <= kFew) return;
    many_ = std::make_unique<T[]>(static_cast<size_t>(n));
    at_ = many_.get();
  }
  Few(const Few&) = delete;
  operator T*() { return at_; }

 private:
  T few_[kFew];
  std::unique_ptr<T[]> many_;
  T* at_;
};

}  // namespace fallline

#endif  // FALLLINE_RECORD_FEW_H_
