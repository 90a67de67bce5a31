// Loops over the registers of a tile: unrolled by every compiler, whatever it thinks of their size.
#ifndef FALLLINE_SIMD_UNROLL_H_
#define FALLLINE_SIMD_UNROLL_H_

#if defined(__clang__)
#define FL_UNROLL _Pragma("unroll")
#define FL_UNROLL_TWICE _Pragma("unroll 2")
#elif defined(__GNUC__)
#define FL_UNROLL _Pragma("GCC unroll 16")
#define FL_UNROLL_TWICE _Pragma("GCC unroll 2")
#else
#define FL_UNROLL
#define FL_UNROLL_TWICE
#endif

#endif  // FALLLINE_SIMD_UNROLL_H_
