// Which update rules are there, and how is one applied to many tensors?
#ifndef FALLLINE_OPTIM_RULES_H_
#define FALLLINE_OPTIM_RULES_H_

#include <cstdint>
#include <string>

#include "optim/coef.h"
#include "tensor/dtype.h"

namespace fallline {

constexpr int kMaxSlots = 4;

// How state is kept: in the parameter's own type, or compressed (compressed.h), which takes float32 parameters.
enum class Precision : uint8_t { kFull, kBFloat16, kFloat8 };

// A parameter, its gradient and its state: n elements each, one after the other, all of one float type. The gradient
// may be the parameter itself; anything else must not overlap. Compressed slots are as compressed.h says.
struct RuleTensor {
  int64_t n;
  void* w;
  const void* g;
  void* slots[kMaxSlots];
  int64_t begin;  // set by lay_out
};

// Some elements of a tensor: `rows` runs of `columns` neighbours. A run begins `stride` elements after the one before
// it, and its gradient `g_stride` after the other.
struct Piece {
  int64_t begin, columns;
  const void* g;
  int64_t rows = 1, stride = 0, g_stride = 0;
};

// A row of the table. Its kernels belong to the target that was active when the row was looked up.
struct Rule {
  const char* name;
  const Slot* slots;
  int slot_count;
  const Hyper* hypers;
  int hyper_count;
  Coef<double> (*coef)(const double* hypers, int64_t t);
  Advance advance;  // of the running numbers, or null
  // For float32 and float64; the tensor's own gradient is not looked at.
  void (*step[2])(const Coef<double>& k, const RuleTensor& tensor, const Piece& piece);
  // For kBFloat16 and kFloat8; `begin` is a multiple of kStateBlock, and `key` belongs to this step and tensor.
  void (*compressed_step[2])(const Coef<double>& k, const RuleTensor& tensor, int64_t begin, int64_t end, uint32_t key);
};

int rule_count();
const Rule& rule(int index);

// Throws std::invalid_argument when there is none of that name.
int rule_index(const std::string& name);

// Places the tensors one behind the other, so that a range of elements names parts of tensors. Returns the end.
int64_t lay_out(RuleTensor* tensors, int64_t count, Precision precision = Precision::kFull);

// One step of all tensors at once. `hypers` are in the order of Rule::hypers, `t` counts from 1, `end` came from
// lay_out, `dtype` is float32 or float64. Subnormal numbers count as zero. Allocates nothing; the result does not
// depend on the number of threads, nor on the target. With `squares` the sum of the squared gradients is left there for
// every kSweepGrain of the elements, or of less at the end.
void rule_step(const Rule& rule, DType dtype, const double* hypers, int64_t t, const RuleTensor* tensors, int64_t count,
               int64_t end, Precision precision = Precision::kFull, double* squares = nullptr);

}  // namespace fallline

#endif  // FALLLINE_OPTIM_RULES_H_
