// Whole slots to codes and back.
#include "optim/compressed.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "optim/compressed.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

#include "optim/codes-inl.h"

#ifndef FALLLINE_OPTIM_CODEC_
#define FALLLINE_OPTIM_CODEC_
namespace fallline {
namespace {

// What is done with one block; buffers have room for kStateBlock elements, those behind the end are zero.
struct Codec {
  void (*decode)(const void* codes, int exponent, float* out);
  int (*encode)(const float* x, uint32_t first_random, void* codes);  // returns the exponent
};
struct CodecTable {
  Codec rows[2][2];  // [precision - 1][values]
};

}  // namespace
}  // namespace fallline
#endif

FL_BEGIN_TARGET

template <class F>
void decode_block(const void* codes, int exponent, float* out) {
  for (int64_t i = 0; i < kStateBlock; i += static_cast<int64_t>(Bits::kLanes)) {
    Held<F>::load(codes, Bits(exponent), i).store(out + i);
  }
}

template <class F>
int encode_block(const float* x, uint32_t first_random, void* codes) {
  uint16_t random[kStateBlock];
  float values[kStateBlock];
  random_numbers(first_random, random);
  Bits most(0);
  for (int64_t i = 0; i < kStateBlock; i += static_cast<int64_t>(Bits::kLanes)) {
    Held<F>::store(Pack<float>::load(x + i), random, i, values, most, codes);
  }
  return Held<F>::finish(values, random, most, codes);
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

const Codec& codec_for(Precision precision, Values values) {
  return codec_table().rows[static_cast<int>(precision) - 1][static_cast<int>(values)];
}

}  // namespace

void decode(Precision precision, Values values, const uint8_t* slot, int64_t n, float* out) {
  alignas(64) uint8_t codes[2 * kStateBlock];
  alignas(64) float block[kStateBlock];
  const int64_t bytes = code_bytes(precision);
  for (int64_t first = 0; first < n; first += kStateBlock) {
    const int64_t count = std::min(kStateBlock, n - first);
    const int exponent = precision == Precision::kFloat8 ? slot[n + first / kStateBlock] : 0;
    std::copy_n(slot + first * bytes, count * bytes, codes);
    codec_for(precision, values).decode(codes, exponent, block);
    std::copy_n(block, count, out + first);
  }
}

void encode(Precision precision, Values values, const float* x, int64_t n, uint32_t key, uint8_t* slot) {
  alignas(64) uint8_t codes[2 * kStateBlock];
  alignas(64) float block[kStateBlock] = {};
  const int64_t bytes = code_bytes(precision);
  for (int64_t first = 0; first < n; first += kStateBlock) {
    const int64_t count = std::min(kStateBlock, n - first);
    std::fill(std::copy_n(x + first, count, block), block + kStateBlock, 0.0f);
    const int exponent = codec_for(precision, values).encode(block, random_counter(key, 0, first), codes);
    std::copy_n(codes, count * bytes, slot + first * bytes);
    if (precision == Precision::kFloat8) slot[n + first / kStateBlock] = static_cast<uint8_t>(exponent);
  }
}

}  // namespace fallline
#endif
