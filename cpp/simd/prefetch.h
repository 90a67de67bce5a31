// How is memory asked for before it is needed, outside kernels?
#ifndef FALLLINE_SIMD_PREFETCH_H_
#define FALLLINE_SIMD_PREFETCH_H_

#include <hwy/cache_control.h>

#include <cstddef>
#include <cstdint>

namespace fallline {

// Asks for the lines of [p, p + bytes).
inline void prefetch_bytes(const std::byte* p, std::size_t bytes) {
  constexpr std::uintptr_t kLine = 64;
  const std::byte* const end = p + bytes;
  for (p -= reinterpret_cast<std::uintptr_t>(p) % kLine; p < end; p += kLine) hwy::Prefetch(p);
}

}  // namespace fallline

#endif  // FALLLINE_SIMD_PREFETCH_H_
