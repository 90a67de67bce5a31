// How is a body run, once or along rows?  With a plan of its own, in memory that is lent to it.
#ifndef FALLLINE_PLAN_LOOP_H_
#define FALLLINE_PLAN_LOOP_H_

#include "plan/nested.h"
#include "plan/plan.h"

namespace fallline {

// The length that memory of so many bytes takes, so that what follows is aligned.
inline int64_t padded(int64_t bytes) { return (std::max<int64_t>(bytes, 1) + 63) / 64 * 64; }

class Loop {
 public:
  // `copied`: of each input the bytes of a row-major copy that it needs, or 0 where it is row-major.
  Loop(const Nested& nested, std::vector<int64_t> copied);

  int64_t memory() const { return memory_; }
  void attach(std::byte* memory);
  // Writes each result, row-major, to its place. One caller at a time.
  void run(const Array* const* in, const Array* const* out, int64_t length);
  const Plan& plan() const { return plan_; }

 private:
  struct Copy {  // of one output after each run
    const Array* from;
    std::byte* to;
    size_t bytes;
    bool flat;
    bool in_place = false;  // a carry that its step writes where it reads it
  };
  static void copy(const Copy& part, std::byte* to);
  void look_around();
  void begin(const Array* const* in);
  void bind_rows(const Array* const* in, int64_t row);
  void gather(const Array* const* out, int64_t row) const;

  Plan plan_;
  size_t carries_, rows_;
  bool reverse_;
  bool crossed_ = false;  // a carry is a view of the last one: all are read before any is written
  std::vector<int64_t> copied_;
  std::vector<std::byte*> copies_, next_;
  std::vector<Copy> parts_;  // carries, then what is gathered
  int64_t memory_;
  unsigned runs_ = 0;
};

// Called about every 100 ms while loops run; may throw to end them.
void set_watch(void (*look)());

}  // namespace fallline

#endif  // FALLLINE_PLAN_LOOP_H_
