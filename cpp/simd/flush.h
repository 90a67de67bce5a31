// What happens to subnormal numbers on this thread?  The floating-point control word, and a scope that flushes them.
#ifndef FALLLINE_SIMD_FLUSH_H_
#define FALLLINE_SIMD_FLUSH_H_

#include <cstdint>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#elif defined(_M_ARM64)
#include <intrin.h>
#endif

namespace fallline {

// Rounding mode, exception masks and the treatment of subnormals; never the sticky exception flags.
#if defined(__x86_64__) || defined(_M_X64)
constexpr uint64_t kFlushBits = 0x8040;  // results to zero, operands to zero
inline uint64_t fp_control() { return _mm_getcsr() & 0xffc0u; }
inline void set_fp_control(uint64_t word) { _mm_setcsr(static_cast<unsigned>(word) | (_mm_getcsr() & 0x3fu)); }
#elif defined(__aarch64__)
constexpr uint64_t kFlushBits = 1u << 24;  // both at once
inline uint64_t fp_control() {
  uint64_t word;
  __asm__ volatile("mrs %0, fpcr" : "=r"(word));
  return word;
}
inline void set_fp_control(uint64_t word) { __asm__ volatile("msr fpcr, %0" : : "r"(word) : "memory"); }
#elif defined(_M_ARM64)
constexpr uint64_t kFlushBits = 1u << 24;
inline uint64_t fp_control() { return static_cast<uint64_t>(_ReadStatusReg(ARM64_FPCR)); }
inline void set_fp_control(uint64_t word) { _WriteStatusReg(ARM64_FPCR, static_cast<int64_t>(word)); }
#else
constexpr uint64_t kFlushBits = 0;
inline uint64_t fp_control() { return 0; }
inline void set_fp_control(uint64_t) {}
#endif

// While one lives, subnormal operands and results count as zero on this thread and on pool threads that work for it.
// Inside of another it leaves the control word alone, for writing it stops what is under way.
class FlushToZero {
 public:
  FlushToZero() : before_(fp_control()), outer_((before_ & kFlushBits) != kFlushBits) {
    if (outer_) set_fp_control(before_ | kFlushBits);
  }
  ~FlushToZero() {
    if (outer_) set_fp_control(before_);
  }
  FlushToZero(const FlushToZero&) = delete;
  FlushToZero& operator=(const FlushToZero&) = delete;

 private:
  uint64_t before_;
  bool outer_;
};

}  // namespace fallline

#endif  // FALLLINE_SIMD_FLUSH_H_
