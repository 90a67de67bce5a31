// What if a worker and the thread that it works for run on one CPU, while another has nothing to do?
//
// The system wakes a thread where it ran before and looks for an idle CPU only now and then. On two cores both threads
// may take turns on one of them for many milliseconds, and a product takes twice as long as it should.
#ifndef FALLLINE_SIMD_OWN_CPU_H_
#define FALLLINE_SIMD_OWN_CPU_H_

#include <chrono>

#if defined(__linux__)
#include <sched.h>
#endif

namespace fallline {

// The CPU that the calling thread runs on, or -1 where that is not known.
inline int current_cpu() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Has the calling thread go on elsewhere if it may run on another CPU; afterwards it may run where it might before. If
// somebody changes that at this very moment, the change is lost for this thread.
inline void leave_cpu(int cpu) {
#if defined(__linux__)
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0 || CPU_COUNT(&allowed) < 2) return;
  cpu_set_t others = allowed;
  CPU_CLR(static_cast<size_t>(cpu), &others);
  if (sched_setaffinity(0, sizeof others, &others) == 0) sched_setaffinity(0, sizeof allowed, &allowed);
#else
  (void)cpu;
#endif
}

// For one worker: leaves the CPU that it shares with `other`, but not again and again where all are busy.
class OwnCpu {
 public:
  void keep_from(int other) {
    if (other < 0 || current_cpu() != other) return;
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(5);
    leave_cpu(other);
  }

 private:
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace fallline

#endif  // FALLLINE_SIMD_OWN_CPU_H_
