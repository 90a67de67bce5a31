// The codes of compressed state (compressed.h), a register at a time. Per-target: after simd/pack-inl.h.

#if FL_REFERENCE_PASS || defined(FALLLINE_OPTIM_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#if !FL_REFERENCE_PASS
#ifdef FALLLINE_OPTIM_CODES_INL_H_
#undef FALLLINE_OPTIM_CODES_INL_H_
#else
#define FALLLINE_OPTIM_CODES_INL_H_
#endif
#endif

#ifndef FALLLINE_OPTIM_CODES_ONCE_
#define FALLLINE_OPTIM_CODES_ONCE_
#include <algorithm>
#include <cstring>

#include "optim/compressed.h"

namespace fallline {
constexpr int kInfinity = 0x7f800000;
constexpr int kMantissa8 = 20;                   // bits of a float32 mantissa that an 8-bit code drops
constexpr int kRoundUp = (1 << kMantissa8) - 1;  // added to a float's bits, it reaches the next code
constexpr int kLowestExponent = 48;              // of a block; below it, steps of the code would be subnormal
}  // namespace fallline
#endif

FL_BEGIN_TARGET

using Bits = Pack<int32_t>;

FL_FN Bits upper_half(Bits x) { return shift_right<16>(x) & Bits(0xFFFF); }
FL_FN Bits size_of_float(Pack<float> x) { return bits(x) & Bits(0x7FFFFFFF); }

// Steps of the golden ratio through all 32-bit words, each mixed: two numbers of 16 bits from one word, kStateBlock of
// them from a counter on.
FL_FN void random_numbers(uint32_t first, uint16_t* out) {
  constexpr size_t kLanes = Bits::kLanes, kWords = kStateBlock / 2;
  constexpr uint32_t kGolden = 0x9E3779B9u;
  int32_t words[kWords];
  for (uint32_t lane = 0; lane < kLanes; ++lane) words[lane] = static_cast<int32_t>((first + lane) * kGolden);
  Bits x = Bits::load(words);
  for (size_t i = 0; i < kWords; i += kLanes, x = x + Bits(static_cast<int32_t>(kLanes * kGolden))) {
    const Bits h = (x ^ upper_half(x)) * Bits(0x21F0AAAD);
    (h ^ upper_half(h)).store(words + i);
  }
  std::memcpy(out, words, sizeof words);
}

// Rounding adds `random`, 16 bits below the last one that is kept, to the bits of a float: sign and size, as integers.
// What is not finite is cut off: arithmetic makes quiet NaNs, whose mark is the bit of the mantissa that stays.
FL_FN Bits if_finite(Bits random, Bits size) { return select(size < Bits(kInfinity), random, Bits(0)); }

struct BFloat16 {
  using Code = uint16_t;
  static constexpr bool kShared = false;  // whether a block shares an exponent
  static FL_FN int exponent(Bits) { return 0; }
  static FL_FN Pack<float> decode(Bits code, Bits) { return from_bits(shift_left<16>(code)); }
  static FL_FN Bits encode(Pack<float> x, Bits random, Bits) {
    return shift_right<16>(bits(x) + if_finite(random, size_of_float(x))) & Bits(0xFFFF);
  }
};

// kTop: the largest code of a magnitude. Code 0 is zero; code c has the bits of (c + base) << 20 as a float, where base
// puts kTop at the top of the block's exponent.
template <int kTop>
struct Float8 {
  using Code = uint8_t;
  static constexpr bool kShared = true;
  static FL_FN Bits base(Bits exponent) { return shift_left<3>(exponent) + Bits(7 - kTop); }
  // From the largest size in each lane.
  static FL_FN int exponent(Bits most) {
    int32_t lanes[Bits::kLanes], largest = 0;
    most.store(lanes);
    for (const int32_t lane : lanes) largest = std::max(largest, lane);
    return std::max(kLowestExponent, (std::min(largest, kInfinity) + kRoundUp) >> 23);
  }
  static FL_FN Bits rounded(Bits size, Bits random, Bits exponent) {
    return shift_right<kMantissa8>(size + if_finite(shift_left<4>(random), size)) - base(exponent);
  }
};

// Below the least code: that code with the probability of their ratio, else zero.
struct SignedFloat8 : Float8<127> {
  static FL_FN Pack<float> decode(Bits code, Bits exponent) {
    const Bits size = code & Bits(127), b = shift_left<kMantissa8>(size + base(exponent));
    return from_bits(select(size == Bits(0), Bits(0), b) | shift_left<24>(code & Bits(128)));
  }
  static FL_FN Bits encode(Pack<float> x, Bits random, Bits exponent) {
    using X = Pack<float>;
    const Bits size = size_of_float(x);
    const X least = from_bits(shift_left<kMantissa8>(base(exponent) + Bits(1)));
    const X from_one_to_two = from_bits(shift_left<7>(random) | Bits(0x3F800000));
    const auto stays = !(bits(from_bits(size) + from_one_to_two * least) < bits(least + least));
    const Bits code = select(stays, max(rounded(size, random, exponent), Bits(1)), Bits(0));
    return code | (shift_right<24>(bits(x)) & Bits(128));
  }
};

// Never zero for what is not zero: a root of it divides.
struct UnsignedFloat8 : Float8<255> {
  static FL_FN Pack<float> decode(Bits code, Bits exponent) {
    return from_bits(select(code == Bits(0), Bits(0), shift_left<kMantissa8>(code + base(exponent))));
  }
  static FL_FN Bits encode(Pack<float> x, Bits random, Bits exponent) {
    const Bits size = size_of_float(x);
    return select(size == Bits(0), Bits(0), max(rounded(size, random, exponent), Bits(1)));
  }
};

// One slot of a block: codes and numbers for kStateBlock elements, and what they share.
template <class F>
struct Held {
  using Code = typename F::Code;
  static FL_FN Pack<float> load(const void* codes, Bits exponent, int64_t i) {
    return F::decode(widen(static_cast<const Code*>(codes) + i), exponent);
  }
  // Codes that share an exponent have to wait for it in `values`.
  static FL_FN void store(Pack<float> x, const uint16_t* random, int64_t i, float* values, Bits& most, void* codes) {
    if constexpr (F::kShared) {
      x.store(values + i);
      most = max(most, size_of_float(x));
    } else {
      narrow(F::encode(x, widen(random + i), Bits(0)), static_cast<Code*>(codes) + i);
    }
  }
  // The largest sizes of the first n values; those behind are made zero.
  static FL_FN Bits largest(float* values, int64_t n) {
    Bits most(0);
    if constexpr (F::kShared) {
      std::fill(values + n, values + kStateBlock, 0.0f);
      for (int64_t i = 0; i < n; i += static_cast<int64_t>(Bits::kLanes)) {
        most = max(most, size_of_float(Pack<float>::load(values + i)));
      }
    }
    return most;
  }
  static FL_FN int finish(const float* values, const uint16_t* random, Bits most, void* codes) {
    const int exponent = F::exponent(most);
    if constexpr (F::kShared) {
      for (int64_t i = 0; i < kStateBlock; i += static_cast<int64_t>(Bits::kLanes)) {
        const Bits code = F::encode(Pack<float>::load(values + i), widen(random + i), Bits(exponent));
        narrow(code, static_cast<Code*>(codes) + i);
      }
    }
    return exponent;
  }
};

// A slot that stays as it is.
struct Plain {
  using Code = float;
  static constexpr bool kShared = false;
};
template <>
struct Held<Plain> {
  static FL_FN Pack<float> load(const void* codes, Bits, int64_t i) {
    return Pack<float>::load(static_cast<const float*>(codes) + i);
  }
  static FL_FN void store(Pack<float> x, const uint16_t*, int64_t i, float*, Bits&, void* codes) {
    x.store(static_cast<float*>(codes) + i);
  }
  static FL_FN Bits largest(float*, int64_t) { return Bits(0); }
  static FL_FN int finish(const float*, const uint16_t*, Bits, void*) { return 0; }
};

template <Precision kPrecision, Values kValues>
using CodeFor = std::conditional_t<
    kValues == Values::kExact, Plain,
    std::conditional_t<kPrecision == Precision::kBFloat16, BFloat16,
                       std::conditional_t<kValues == Values::kSigned, SignedFloat8, UnsignedFloat8>>>;

FL_END_TARGET

#endif
