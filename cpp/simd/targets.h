// Which instruction sets can run here, and which one is in use?
#ifndef FALLLINE_SIMD_TARGETS_H_
#define FALLLINE_SIMD_TARGETS_H_

#include <string>
#include <vector>

namespace fallline {

// In the order of the kernel tables. `kScalar` is the reference: one lane, no intrinsics, explicit std::fma.
enum class Target : int { kScalar, kSse4, kAvx2, kAvx512, kNeon };
constexpr int kTargets = 5;

const char* target_name(Target target);

// Targets that were compiled in and that this CPU and operating system can run, from the slowest to the fastest.
const std::vector<Target>& supported_targets();

// The fastest supported one, unless FALLLINE_TARGET names another. Throws std::invalid_argument, listing what this
// CPU has, when the name is unknown or not supported.
Target active_target();
void set_active_target(const std::string& name);

}  // namespace fallline

#endif  // FALLLINE_SIMD_TARGETS_H_
