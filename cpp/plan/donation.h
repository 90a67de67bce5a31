// Which result of a plan may be written over an input that nobody reads any longer?
#ifndef FALLLINE_PLAN_DONATION_H_
#define FALLLINE_PLAN_DONATION_H_

#include "plan/group.h"

namespace fallline {

class Donation {
 public:
  // A schedule without views, cut into groups, and the place of every value.
  Donation(const std::vector<Graph::Step>& steps, const std::vector<Neighbours>& groups,
           const std::vector<Array>& arrays, const std::vector<Root>& roots);
  // Whether the memory of root `input` may become that of root `output`, which a step computes.
  bool allows(int output, int input) const;

 private:
  struct Place {  // in the schedule
    size_t step, group;
  };
  struct Read {
    Place at;
    bool in_turn;  // element i is read for element i of the result
    int result;    // of that one alone; or -1
  };
  const std::vector<Array>& arrays_;
  std::vector<Place> written_;            // by value
  std::vector<std::vector<Read>> reads_;  // by root
};

}  // namespace fallline

#endif  // FALLLINE_PLAN_DONATION_H_
