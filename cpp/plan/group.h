// Which elementwise steps of a plan run together?  Neighbours over the same elements go through them block by block, so
// that what one step leaves is still in the cache for the next, and what nobody else reads never gets memory of its
// own.
#ifndef FALLLINE_PLAN_GROUP_H_
#define FALLLINE_PLAN_GROUP_H_

#include <array>

#include "record/graph.h"

namespace fallline {

struct Root {  // where the memory of a view begins
  int value;
  int64_t offset;  // bytes
};

constexpr int64_t kGroupBlock = 1024;   // elements
constexpr int64_t kRegisterBytes = 64;  // of the widest

// The elementwise steps [begin, end) of a schedule, or one step of another kind.
struct Neighbours {
  size_t begin, end;
};
// Whether a step can be part of a group.
bool can_join(const Graph::Step& step, const std::vector<Array>& arrays);
// Cuts a schedule (without views) into neighbours that may run as one group: float arrays of one dtype and size whose
// elements lie in one order. One element of a value that the group computes is not there for every block, so who
// repeats it begins another group.
std::vector<Neighbours> find_groups(const std::vector<Graph::Step>& steps, const std::vector<Array>& arrays,
                                    const std::vector<Root>& roots);
// The same with groups of at most one block cut into their steps: these run one after another, so that memory may
// change hands between them.
std::vector<Neighbours> find_turns(const std::vector<Neighbours>& groups, const std::vector<Graph::Step>& steps,
                                   const std::vector<Array>& arrays);

class Group {
 public:
  static constexpr int kMostInputs = 4;
  struct Place {
    const Array* array = nullptr;
    int slot = -1;     // of the thread's blocks, where the value lives in this group alone
    int64_t step = 1;  // 0 where one element is repeated
  };
  struct Step {
    const Primitive* primitive;
    ElementwiseKernel kernel;
    std::array<Place, kMostInputs> in;
    int count;  // of them
    Place out;
    bool padded;  // everything read and written ends with room for a whole register
  };

  Group(int64_t size, DType dtype) : size_(size), element_bytes_(static_cast<int64_t>(size_of(dtype))) {}
  void add(Step step);
  void run() const;
  const std::vector<Step>& steps() const { return steps_; }

 private:
  struct Call {  // a step over all elements, with nothing left to decide
    ElementwiseKernel kernel;
    int64_t length;
    const Array* out;
    struct {
      const Array* array;
      int64_t step;
    } in[kMostInputs];
    bool many;  // inputs: more than two
  };

  void run_one() const;
  void run_block() const;
  void run_range(int64_t begin, int64_t end) const;
  int64_t end_of(const Step& step, int64_t n) const;

  int64_t size_, element_bytes_;
  int slots_ = 0;
  std::vector<Step> steps_;
  std::vector<Call> calls_;
};

}  // namespace fallline

#endif  // FALLLINE_PLAN_GROUP_H_
