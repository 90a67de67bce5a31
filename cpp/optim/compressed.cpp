// Codes of states, block by block: decode into a buffer in L1, let the rule's own kernel step, encode.
#include "optim/compressed.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "optim/compressed.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

#ifndef FALLLINE_OPTIM_CODEC_
#define FALLLINE_OPTIM_CODEC_
namespace fallline {
namespace {

constexpr int kInfinity = 0x7f800000;
constexpr int kMantissa8 = 20;                   // bits of a float32 mantissa that an 8-bit code drops
constexpr int kRoundUp = (1 << kMantissa8) - 1;  // added to a float's bits, it reaches the next code
constexpr int kLowestExponent = 48;              // of a block; below it, steps of the code would be subnormal

// What is done with one block of up to kStateBlock elements; buffers have room for all of them.
struct Codec {
  void (*decode)(const uint8_t* codes, int exponent, int64_t n, float* out);
  int (*encode)(const float* x, int64_t n, const uint16_t* random, uint8_t* codes);  // returns the exponent
};
struct CodecTable {
  Codec rows[2][2];                               // [precision - 1][values]
  void (*random)(uint32_t first, uint16_t* out);  // kStateBlock random numbers from a counter on
};

}  // namespace
}  // namespace fallline
#endif

FL_BEGIN_TARGET

using Bits = Pack<int32_t>;

FL_FN Bits upper_half(Bits x) { return shift_right<16>(x) & Bits(0xFFFF); }

// Steps of the golden ratio through all 32-bit words, each mixed twice: two numbers of 16 bits from one word.
void random(uint32_t first, uint16_t* out) {
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
  static int exponent(const float*, int64_t) { return 0; }
  static FL_FN Pack<float> decode(Bits code, Bits) { return from_bits(shift_left<16>(code)); }
  static FL_FN Bits encode(Pack<float> x, Bits random, Bits) {
    const Bits b = bits(x), size = b & Bits(0x7FFFFFFF);
    return shift_right<16>(b + if_finite(random, size)) & Bits(0xFFFF);
  }
};

// kTop: the largest code of a magnitude. Code 0 is zero; code c has the bits of (c + base) << 20 as a float, where base
// puts kTop at the top of the block's exponent.
template <int kTop>
struct Float8 {
  using Code = uint8_t;
  static FL_FN Bits base(Bits exponent) { return shift_left<3>(exponent) + Bits(7 - kTop); }
  static int exponent(const float* x, int64_t n) {
    constexpr int64_t kLanes = static_cast<int64_t>(Bits::kLanes);
    Bits most(0);
    for (int64_t i = 0; i < n; i += kLanes) most = max(most, bits(Pack<float>::load(x + i)) & Bits(0x7FFFFFFF));
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
    const Bits b = bits(x), size = b & Bits(0x7FFFFFFF);
    const X least = from_bits(shift_left<kMantissa8>(base(exponent) + Bits(1)));
    const X from_one_to_two = from_bits(shift_left<7>(random) | Bits(0x3F800000));
    const auto stays = !(bits(from_bits(size) + from_one_to_two * least) < bits(least + least));
    const Bits code = select(stays, max(rounded(size, random, exponent), Bits(1)), Bits(0));
    return code | (shift_right<24>(b) & Bits(128));
  }
};

// Never zero for what is not zero: a root of it divides.
struct UnsignedFloat8 : Float8<255> {
  static FL_FN Pack<float> decode(Bits code, Bits exponent) {
    return from_bits(select(code == Bits(0), Bits(0), shift_left<kMantissa8>(code + base(exponent))));
  }
  static FL_FN Bits encode(Pack<float> x, Bits random, Bits exponent) {
    const Bits size = bits(x) & Bits(0x7FFFFFFF);
    return select(size == Bits(0), Bits(0), max(rounded(size, random, exponent), Bits(1)));
  }
};

template <class F>
void decode_block(const uint8_t* bytes, int exponent, int64_t n, float* out) {
  constexpr int64_t kLanes = static_cast<int64_t>(Bits::kLanes);
  using Code = typename F::Code;
  Code padded[kStateBlock];
  const Code* codes = reinterpret_cast<const Code*>(bytes);
  if (n % kLanes) {
    std::memset(padded, 0, sizeof padded);
    std::memcpy(padded, bytes, static_cast<size_t>(n) * sizeof(Code));
    codes = padded;
  }
  for (int64_t i = 0; i < n; i += kLanes) F::decode(widen(codes + i), Bits(exponent)).store(out + i);
}

template <class F>
int encode_block(const float* x, int64_t n, const uint16_t* random, uint8_t* bytes) {
  constexpr int64_t kLanes = static_cast<int64_t>(Bits::kLanes);
  using Code = typename F::Code;
  Code padded[kStateBlock];
  Code* codes = n % kLanes ? padded : reinterpret_cast<Code*>(bytes);
  const int exponent = F::exponent(x, n);
  for (int64_t i = 0; i < n; i += kLanes) {
    narrow(F::encode(Pack<float>::load(x + i), widen(random + i), Bits(exponent)), codes + i);
  }
  if (codes == padded) std::memcpy(bytes, padded, static_cast<size_t>(n) * sizeof(Code));
  return exponent;
}

template <class F>
constexpr Codec codec() {
  return {&decode_block<F>, &encode_block<F>};
}

constexpr CodecTable kCodecs = {
    {{codec<BFloat16>(), codec<BFloat16>()}, {codec<SignedFloat8>(), codec<UnsignedFloat8>()}}, &random};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(CodecTable, codec_table, kCodecs)

namespace fallline {
namespace {

int64_t code_size(Precision precision) { return precision == Precision::kBFloat16 ? 2 : 1; }

const Codec& codec_for(Precision precision, Values values) {
  return codec_table().rows[static_cast<int>(precision) - 1][static_cast<int>(values)];
}

// Where a block of a slot lies.
struct Place {
  uint8_t *codes, *exponent;
  Place(Precision precision, uint8_t* slot, int64_t n, int64_t first)
      : codes(slot + first * code_size(precision)),
        exponent(slot + n * code_size(precision) + (precision == Precision::kFloat8 ? first / kStateBlock : 0)) {}
};

// Where the random numbers of a block begin. Steps, tensors and slots should have nothing in common.
uint32_t counter(uint32_t key, int slot, int64_t first) {
  uint32_t h = (key ^ (static_cast<uint32_t>(slot) * 0x85EBCA6Bu)) * 0xC2B2AE35u;
  h = (h ^ (h >> 15)) * 0x2C1B3C6Du;
  return (h ^ (h >> 16)) + static_cast<uint32_t>(first / 2);
}

void encode_at(const Place& at, Precision precision, Values values, const float* x, int64_t n, uint32_t first) {
  uint16_t random[kStateBlock];
  codec_table().random(first, random);
  const int exponent = codec_for(precision, values).encode(x, n, random, at.codes);
  if (precision == Precision::kFloat8) *at.exponent = static_cast<uint8_t>(exponent);
}

}  // namespace

int64_t compressed_bytes(Precision precision, int64_t n) {
  const int64_t blocks = precision == Precision::kFloat8 ? (n + kStateBlock - 1) / kStateBlock : 0;
  return n * code_size(precision) + blocks + 1;
}

void compressed_step(const Rule& rule, Precision precision, const Coef<double>& k, const RuleTensor& tensor,
                     int64_t begin, int64_t end, uint32_t key) {
  alignas(64) float values[kMaxSlots][kStateBlock];
  for (int64_t first = begin; first < end; first += kStateBlock) {
    const int64_t n = std::min(kStateBlock, end - first);
    RuleTensor block{n, static_cast<float*>(tensor.w) + first, static_cast<const float*>(tensor.g) + first, {}, 0};
    for (int s = 0; s < rule.slot_count; ++s) {
      if (rule.slots[s].values == Values::kExact) {
        block.slots[s] = static_cast<float*>(tensor.slots[s]) + first;
        continue;
      }
      const Place at(precision, static_cast<uint8_t*>(tensor.slots[s]), tensor.n, first);
      codec_for(precision, rule.slots[s].values).decode(at.codes, *at.exponent, n, values[s]);
      block.slots[s] = values[s];
    }
    rule.float_step(k, block, 0, n);
    for (int s = 0; s < rule.slot_count; ++s) {
      if (rule.slots[s].values == Values::kExact) continue;
      const Place at(precision, static_cast<uint8_t*>(tensor.slots[s]), tensor.n, first);
      encode_at(at, precision, rule.slots[s].values, values[s], n, counter(key, s, first));
    }
  }
}

void decode(Precision precision, Values values, const uint8_t* slot, int64_t n, float* out) {
  alignas(64) float block[kStateBlock];
  for (int64_t first = 0; first < n; first += kStateBlock) {
    const int64_t count = std::min(kStateBlock, n - first);
    const Place at(precision, const_cast<uint8_t*>(slot), n, first);
    codec_for(precision, values).decode(at.codes, *at.exponent, count, block);
    std::copy_n(block, count, out + first);
  }
}

void encode(Precision precision, Values values, const float* x, int64_t n, uint32_t key, uint8_t* slot) {
  alignas(64) float block[kStateBlock];
  for (int64_t first = 0; first < n; first += kStateBlock) {
    const int64_t count = std::min(kStateBlock, n - first);
    std::copy_n(x + first, count, block);
    std::fill(block + count, block + kStateBlock, 0.0f);
    encode_at(Place(precision, slot, n, first), precision, values, block, count, counter(key, 0, first));
  }
}

}  // namespace fallline
#endif
