// What do threads do while they wait for a job?  Work that will be needed soon, such as gathering the next batches.
#ifndef FALLLINE_SIMD_BACKGROUND_H_
#define FALLLINE_SIMD_BACKGROUND_H_

#include <cstdint>

namespace fallline {

// Units [0, n) of work that may be done at any time before finish(), in any order and on any thread: by those of the
// pool that have no job, and the rest by finish() itself. Only one Background of a process has such helpers; another
// that starts meanwhile does all its units in finish().
class Background {
 public:
  using Units = void (*)(void* context, int64_t begin, int64_t end);

  Background() = default;
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;
  ~Background() { drop(); }

  // A unit takes about `unit_ns` and should not often take much more than a microsecond, for a job may have to wait for
  // its end; `units` must not throw. What was started before has been finished or dropped.
  void start(int64_t n, Units units, void* context, int64_t unit_ns);
  void finish();  // all units are done
  void drop();    // units that nobody has begun are left out

 private:
  void close();

  Units units_ = nullptr;
  void* context_ = nullptr;
  int64_t left_ = 0;  // where there are no helpers
  bool helped_ = false;
};

// For the threads of the pool.
bool has_background();
bool help_background();    // does one unit; false if there is none
void forget_background();  // in a child after fork, which has neither its owner nor its helpers

}  // namespace fallline

#endif  // FALLLINE_SIMD_BACKGROUND_H_
