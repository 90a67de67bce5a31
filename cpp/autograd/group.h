// Which elementwise steps of a plan run together?  Neighbours over the same elements go through them block by block, so
// that what one step leaves is still in the cache for the next, and what nobody else reads never gets memory of its
// own.
#ifndef FALLLINE_AUTOGRAD_GROUP_H_
#define FALLLINE_AUTOGRAD_GROUP_H_

#include "autograd/graph.h"

namespace fallline {

constexpr int64_t kGroupBlock = 1024;  // elements

// The elementwise steps [begin, end) of a schedule; a group of one is an ordinary step.
struct Neighbours {
  size_t begin, end;
};
// Cuts a schedule (without views) into neighbours that may run as one group: float arrays of one dtype and size whose
// elements lie in one order.
std::vector<Neighbours> find_groups(const std::vector<Graph::Step>& steps, const std::vector<Array>& arrays);

class Group {
 public:
  struct Place {
    const Array* array;
    int slot = -1;  // of the thread's blocks, where the value lives in this group alone
    bool repeats = false;
  };
  struct Step {
    const Primitive* primitive;
    std::vector<Place> in;
    Place out;
  };

  Group(int64_t size, DType dtype) : size_(size), dtype_(dtype) {}
  void add(Step step);
  void run() const;
  const std::vector<Step>& steps() const { return steps_; }

 private:
  void run_range(int64_t begin, int64_t end) const;

  int64_t size_;
  DType dtype_;
  int slots_ = 0;
  std::vector<Step> steps_;
};

}  // namespace fallline

#endif  // FALLLINE_AUTOGRAD_GROUP_H_
