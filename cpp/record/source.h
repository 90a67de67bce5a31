// Which call made the first number that is not finite, and where did the user make it?  Known while checks are on.
#ifndef FALLLINE_RECORD_SOURCE_H_
#define FALLLINE_RECORD_SOURCE_H_

#include <memory>
#include <stdexcept>
#include <string>

#include "tensor/array.h"

namespace fallline {

struct NonFiniteError : std::runtime_error {  // FloatingPointError in Python
  using std::runtime_error::runtime_error;
};

// Of all threads. Programs that are traced meanwhile check each of their steps, also later.
bool checking();
void set_checking(bool check);

using CallSite = std::shared_ptr<const std::string>;  // "loss.py:12, in loss: fl.log(x)"
void set_finder(CallSite (*find)());
CallSite source_of_call();  // null unless checks are on
// While it lives, calls of this thread are those of that place, or part of the derivative of what was called there.
class Origin {
 public:
  explicit Origin(const CallSite& source);
  Origin(const char* name, const CallSite& source);
  ~Origin();
  Origin(const Origin&) = delete;

 private:
  CallSite before_;
};

// Throws NonFiniteError where a result holds NaN and no input does, or an infinity and all inputs are finite.
void check_made(const char* name, const Array* const* in, int count, const Array* const* out, int outs,
                const CallSite& source);

}  // namespace fallline

#endif  // FALLLINE_RECORD_SOURCE_H_
