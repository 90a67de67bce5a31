// How is memory asked for before it is needed, outside kernels?
#ifndef FALLLINE_SIMD_PREFETCH_H_
#define FALLLINE_SIMD_PREFETCH_H_

#include <hwy/cache_control.h>

#include <cstddef>

namespace fallline {

// Asks for the lines of [p, p + bytes).
inline void prefetch_bytes(const std::byte* p, std::size_t bytes) {
  constexpr std::size_t kLine = 64;
  for (std::size_t i = 0; i < bytes; i += kLine) hwy::Prefetch(p + i);
  if (bytes > 1) hwy::Prefetch(p + bytes - 1);
}

}  // namespace fallline

#endif  // FALLLINE_SIMD_PREFETCH_H_
