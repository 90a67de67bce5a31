// Which errors does fallline raise?  Thrown at the public door only; a message names the op, what it got and the way
// out.
#ifndef FALLLINE_TENSOR_ERROR_H_
#define FALLLINE_TENSOR_ERROR_H_

#include <stdexcept>
#include <string>

namespace fallline {

struct ShapeError : std::invalid_argument {  // ValueError in Python
  using std::invalid_argument::invalid_argument;
};
struct DTypeError : std::invalid_argument {  // TypeError
  using std::invalid_argument::invalid_argument;
};
struct DeviceError : std::runtime_error {  // RuntimeError
  using std::runtime_error::runtime_error;
};
struct TraceError : std::runtime_error {  // RuntimeError: a value was asked of something that is only being traced
  using std::runtime_error::runtime_error;
};
struct TapeError
    : std::runtime_error {  // RuntimeError: a recorded array was overwritten, or there is nothing to walk back
  using std::runtime_error::runtime_error;
};

}  // namespace fallline

#endif  // FALLLINE_TENSOR_ERROR_H_
