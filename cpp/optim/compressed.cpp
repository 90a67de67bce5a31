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

constexpr int kInfinity = 0x7f800000, kQuiet = 0x00400000;
constexpr int kMantissa8 = 20;                   // bits of a float32 mantissa that an 8-bit code drops
constexpr int kRoundUp = (1 << kMantissa8) - 1;  // added to a float's bits, it reaches the next code
constexpr int kLowestExponent = 48;              // of a block; below it, steps of the code would be subnormal

// The codes of one block. `n` <= kStateBlock; buffers have room for kStateBlock. `first` is the block's first element.
struct Codec {
  void (*decode)(const uint8_t* codes, int exponent, int64_t n, float* out);
  int (*encode)(const float* x, int64_t n, int32_t key, int64_t first, uint8_t* codes);  // returns the exponent
};
struct CodecTable {
  Codec rows[2][2];  // [precision - 1][values]
};

}  // namespace
}  // namespace fallline
#endif

FL_BEGIN_TARGET

using Bits = Pack<int32_t>;

// A hash of the element's number, twice multiplied and mixed: 32 random bits for each lane.
FL_FN Bits random_bits(Bits element, Bits key) {
  Bits h = element * Bits(static_cast<int32_t>(0x9E3779B9u)) + key;
  h = (h ^ (shift_right<16>(h) & Bits(0xFFFF))) * Bits(0x21F0AAAD);
  h = (h ^ (shift_right<15>(h) & Bits(0x1FFFF))) * Bits(0x735A2D97);
  return h ^ (shift_right<15>(h) & Bits(0x1FFFF));
}

struct BFloat16 {
  using Code = uint16_t;
  static int exponent(const float*, int64_t) { return 0; }
  static FL_FN Pack<float> decode(Bits code, Bits) { return from_bits(shift_left<16>(code)); }
  static FL_FN Bits encode(Pack<float> x, Bits random, Bits) {
    const Bits b = bits(x), size = b & Bits(0x7FFFFFFF);
    const Bits rounded = select(size < Bits(kInfinity), b + (random & Bits(0xFFFF)),
                                select(size > Bits(kInfinity), b | Bits(kQuiet), b));
    return shift_right<16>(rounded) & Bits(0xFFFF);
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
    const Bits finite = shift_right<kMantissa8>(size + (random & Bits(kRoundUp)));
    const Bits other =
        select(size > Bits(kInfinity), Bits((kInfinity | kQuiet) >> kMantissa8), Bits(kInfinity >> kMantissa8));
    return select(size < Bits(kInfinity), finite, other) - base(exponent);
  }
};

struct SignedFloat8 : Float8<127> {
  static FL_FN Pack<float> decode(Bits code, Bits exponent) {
    const Bits size = code & Bits(127), b = shift_left<kMantissa8>(size + base(exponent));
    return from_bits(select(size == Bits(0), Bits(0), b) | shift_left<24>(code & Bits(128)));
  }
  static FL_FN Bits encode(Pack<float> x, Bits random, Bits exponent) {
    const Bits b = bits(x), size = b & Bits(0x7FFFFFFF), least = shift_left<kMantissa8>(base(exponent) + Bits(1));
    const Pack<float> u = to_float(random & Bits(0xFFFFFF)) * Pack<float>(0x1p-24f);
    const Bits small = select(bits(u * from_bits(least)) < size, Bits(1), Bits(0));
    const Bits code = select(size < least, small, rounded(size, random, exponent));
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
int encode_block(const float* x, int64_t n, int32_t key, int64_t first, uint8_t* bytes) {
  constexpr int64_t kLanes = static_cast<int64_t>(Bits::kLanes);
  using Code = typename F::Code;
  Code padded[kStateBlock];
  Code* codes = n % kLanes ? padded : reinterpret_cast<Code*>(bytes);
  const int exponent = F::exponent(x, n);
  int32_t lanes[Bits::kLanes];
  for (int32_t lane = 0; lane < static_cast<int32_t>(kLanes); ++lane) lanes[lane] = static_cast<int32_t>(first) + lane;
  Bits element = Bits::load(lanes);
  for (int64_t i = 0; i < n; i += kLanes, element = element + Bits(static_cast<int32_t>(kLanes))) {
    const Bits random = random_bits(element, Bits(key));
    narrow(F::encode(Pack<float>::load(x + i), random, Bits(exponent)), codes + i);
  }
  if (codes == padded) std::memcpy(bytes, padded, static_cast<size_t>(n) * sizeof(Code));
  return exponent;
}

template <class F>
constexpr Codec codec() {
  return {&decode_block<F>, &encode_block<F>};
}

constexpr CodecTable kCodecs = {
    {{codec<BFloat16>(), codec<BFloat16>()}, {codec<SignedFloat8>(), codec<UnsignedFloat8>()}}};

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

// Keys of different steps, tensors and slots should have nothing in common.
int32_t slot_key(uint32_t key, int slot) {
  return static_cast<int32_t>((key ^ (static_cast<uint32_t>(slot) * 0x85EBCA6Bu)) * 0xC2B2AE35u);
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
      const int exponent =
          codec_for(precision, rule.slots[s].values).encode(values[s], n, slot_key(key, s), first, at.codes);
      if (precision == Precision::kFloat8) *at.exponent = static_cast<uint8_t>(exponent);
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
    const Place at(precision, slot, n, first);
    const int exponent = codec_for(precision, values).encode(block, count, slot_key(key, 0), first, at.codes);
    if (precision == Precision::kFloat8) *at.exponent = static_cast<uint8_t>(exponent);
  }
}

}  // namespace fallline
#endif
