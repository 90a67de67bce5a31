// Which instruction sets can run here, and which one is in use?
#include "simd/targets.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#endif

namespace fallline {
namespace {

constexpr const char* kNames[kTargets] = {"scalar", "sse4", "avx2", "avx512", "neon"};

#if defined(__x86_64__)
// The compiler's run-time also asks the operating system whether it saves the wide registers.
bool has_sse4() { return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"); }
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
}
#elif defined(_M_X64)
bool leaf_bit(int leaf, int word, int bit) {
  int words[4];
  __cpuidex(words, leaf, 0);
  return (words[word] >> bit) & 1;
}
bool os_saves(unsigned long long mask) { return leaf_bit(1, 2, 27) && (_xgetbv(0) & mask) == mask; }
bool has_sse4() { return leaf_bit(1, 2, 20) && leaf_bit(1, 2, 1); }
bool has_avx2() { return os_saves(0x6) && leaf_bit(7, 1, 5) && leaf_bit(1, 2, 12) && leaf_bit(7, 1, 8); }
bool has_avx512() { return false; }  // Highway compiles no AVX-512 with MSVC.
#endif

std::vector<Target> detect() {
  std::vector<Target> found{Target::kScalar};
#if defined(__x86_64__) || defined(_M_X64)
#ifndef FALLLINE_ONLY_AVX2
  if (has_sse4()) found.push_back(Target::kSse4);
#endif
  if (has_sse4() && has_avx2()) found.push_back(Target::kAvx2);
#ifndef FALLLINE_ONLY_AVX2
  if (has_sse4() && has_avx2() && has_avx512()) found.push_back(Target::kAvx512);
#endif
#elif defined(__aarch64__) || defined(_M_ARM64)
  found.push_back(Target::kNeon);
#endif
  return found;
}

Target parse(const std::string& name) {
  std::string available;
  for (Target target : supported_targets()) {
    if (name == target_name(target)) return target;
    available += std::string(available.empty() ? "" : ", ") + target_name(target);
  }
  throw std::invalid_argument("FALLLINE_TARGET: got '" + name + "', but this CPU has: " + available);
}

std::atomic<int>& active() {
  static std::atomic<int> value = [] {
    const char* wanted = std::getenv("FALLLINE_TARGET");
    return static_cast<int>(wanted && *wanted ? parse(wanted) : supported_targets().back());
  }();
  return value;
}

}  // namespace

const char* target_name(Target target) { return kNames[static_cast<int>(target)]; }

const std::vector<Target>& supported_targets() {
  static const std::vector<Target> found = detect();
  return found;
}

Target active_target() { return static_cast<Target>(active().load(std::memory_order_relaxed)); }

void set_active_target(const std::string& name) { active().store(static_cast<int>(parse(name))); }

}  // namespace fallline
