// How is one kernel file compiled for every CPU?  Included near the top of a kernel .cpp, after HWY_TARGET_INCLUDE
// is set to that file's own path: re-includes the file once for `ref` (one lane, plain C++) and once per SIMD target.
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "ops/elementwise.cpp"
//   #include "simd/each_target.h"
//   #include "simd/pack-inl.h"
//   FL_BEGIN_TARGET            // namespace fallline::<target>, with the compiler allowed to use its instructions
//   ...templates, and `constexpr MyTable kMyTable = {...};`
//   FL_END_TARGET
//   #if FL_ONCE
//   FL_EXPORT_TABLE(MyTable, my_table, kMyTable)   // const MyTable& fallline::my_table(), for the active target
//   #endif
//
// Tables must be constexpr: a run-time initialiser would execute AVX-512 code while loading on a CPU without it.
// Highway supplies the register types and the re-inclusion only; nothing of its compiled library is linked.

#ifndef FALLLINE_SIMD_EACH_TARGET_H_
#define FALLLINE_SIMD_EACH_TARGET_H_

#include "simd/targets.h"

#if defined(__x86_64__) || defined(_M_X64)
// SSE4 is the lowest list we compile and AVX3 (AVX-512 F, BW, DQ, VL, CD) the highest, in old and new Highway alike.
// FALLLINE_ONLY_AVX2 takes that one and the reference alone, for builds that have to be quick.
#ifdef FALLLINE_ONLY_AVX2
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HWY_DISABLED_TARGETS (HWY_SCALAR | HWY_EMU128 | ((1LL << 9) - 1))
#else
#define HWY_BASELINE_TARGETS HWY_SSE4
#define HWY_DISABLED_TARGETS (HWY_SCALAR | HWY_EMU128 | ((1LL << 8) - 1))  // bits 0..7: everything above AVX3
#endif
#else
// Arm: NEON is part of the architecture; a vector of SVE has no size and cannot be a member of Pack.
#define HWY_COMPILE_ONLY_STATIC
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#endif

#include "hwy/detect_targets.h"

#define FL_BEGIN_TARGET FL_BEGIN_TARGET_
#define FL_END_TARGET FL_END_TARGET_

// First pass: the reference.
#define FL_REFERENCE_PASS 1
#define FL_ONCE 0
#define FL_NAMESPACE ref
#define FL_BEGIN_TARGET_ \
  namespace fallline {   \
  namespace ref {
#define FL_END_TARGET_ \
  }                    \
  }
#include HWY_TARGET_INCLUDE
#undef FL_REFERENCE_PASS
#undef FL_ONCE
#undef FL_NAMESPACE
#undef FL_BEGIN_TARGET_
#undef FL_END_TARGET_

// Then every SIMD target; the file itself continues as the last of them.
#define FL_REFERENCE_PASS 0
#define FL_ONCE HWY_ONCE
#define FL_NAMESPACE HWY_NAMESPACE
#define FL_BEGIN_TARGET_  \
  HWY_BEFORE_NAMESPACE(); \
  namespace fallline {    \
  namespace HWY_NAMESPACE {
#define FL_END_TARGET_ \
  }                    \
  }                    \
  HWY_AFTER_NAMESPACE();
#include "hwy/foreach_target.h"  // IWYU pragma: keep

#if HWY_ARCH_X86
#define FL_TARGET_TABLES(table) \
  { &ref::table, HWY_CHOOSE_SSE4(table), HWY_CHOOSE_AVX2(table), HWY_CHOOSE_AVX3(table), nullptr }
#else
#define FL_TARGET_TABLES(table) \
  { &ref::table, nullptr, nullptr, nullptr, &HWY_STATIC_DISPATCH(table) }
#endif

#define FL_EXPORT_TABLE(Type, function, table)                                \
  namespace fallline {                                                        \
  const Type& function() {                                                    \
    static constexpr const Type* kTables[kTargets] = FL_TARGET_TABLES(table); \
    return *kTables[static_cast<int>(active_target())];                       \
  }                                                                           \
  }

#endif  // FALLLINE_SIMD_EACH_TARGET_H_
