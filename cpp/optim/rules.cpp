// The rule table: one loop, instantiated for every rule, float type and target.
#include "optim/rules.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "optim/compressed.h"
#include "simd/flush.h"
#include "simd/parallel.h"
#include "simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "optim/rules.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

#include "optim/codes-inl.h"

#ifndef FALLLINE_OPTIM_RULE_TABLE_
#define FALLLINE_OPTIM_RULE_TABLE_
namespace fallline {
namespace {
struct RuleTable {
  const Rule* rows;
  int count;
  void (*add_squares[2])(const void* g, int64_t n, void* sums);  // for float32 and float64; to kSquareSums of them
};
template <class T>
constexpr int64_t kSquareSums = 64 / static_cast<int64_t>(sizeof(T));

// Up to kStateBlock elements of a tensor with compressed state: in its memory, or in a padded copy where there are
// less.
class Block {
 public:
  Block(const Slot* slots, int slot_count, Precision precision, const RuleTensor& tensor, int64_t first, int64_t end)
      : n(std::min(kStateBlock, end - first)),
        w(static_cast<float*>(tensor.w) + first),
        g(static_cast<const float*>(tensor.g) + first),
        count_(slot_count) {
    for (int s = 0; s < count_; ++s) {
      uint8_t* const slot = static_cast<uint8_t*>(tensor.slots[s]);
      const bool exact = slots[s].values == Values::kExact;
      width_[s] = exact ? 4 : code_bytes(precision);
      codes[s] = slot + first * width_[s];
      shared_[s] = exact || precision != Precision::kFloat8 ? nullptr : slot + tensor.n + first / kStateBlock;
    }
    if (n == kStateBlock) return;
    std::fill(std::copy_n(w, n, padded_w_), padded_w_ + kStateBlock, 0.0f);
    std::fill(std::copy_n(g, n, padded_g_), padded_g_ + kStateBlock, 0.0f);
    home_w_ = w;
    w = padded_w_;
    g = padded_g_;
    for (int s = 0; s < count_; ++s) {
      std::memset(padded_[s], 0, sizeof padded_[s]);
      std::memcpy(padded_[s], codes[s], static_cast<size_t>(n * width_[s]));
      home_[s] = codes[s];
      codes[s] = padded_[s];
    }
  }
  int exponent(size_t slot) const { return shared_[slot] ? *shared_[slot] : 0; }
  void keep(size_t slot, int exponent) {
    if (shared_[slot]) *shared_[slot] = static_cast<uint8_t>(exponent);
  }
  void finish() {
    if (n == kStateBlock) return;
    std::copy_n(w, n, home_w_);
    for (int s = 0; s < count_; ++s) std::memcpy(home_[s], codes[s], static_cast<size_t>(n * width_[s]));
  }

  int64_t n;
  float* w;
  const float* g;
  uint8_t* codes[kMaxSlots];

 private:
  int count_;
  int64_t width_[kMaxSlots];
  uint8_t *shared_[kMaxSlots], *home_[kMaxSlots];
  float* home_w_;
  alignas(64) float padded_w_[kStateBlock], padded_g_[kStateBlock];
  alignas(64) uint8_t padded_[kMaxSlots][kStateBlock * sizeof(float)];
};
}  // namespace
}  // namespace fallline
#endif

FL_BEGIN_TARGET

template <class X>
FL_FN X root(X x) {
  return sqrt(x);
}

#include "optim/rules.inc.h"

// How far ahead memory is asked for: the machine's own guesses leave a tenth of its rate where a step also computes.
constexpr int64_t kAhead = 256, kRowsAhead = 4;

// Two registers per turn hide the latency of root and division; everything is loaded before anything is stored.
template <class R, class T, size_t... I>
FL_FN void sweep(const Coef<Pack<T>>& k, const T* g, T* w, T* const (&s)[sizeof...(I) + 1], int64_t n, int64_t ahead,
                 std::index_sequence<I...>) {
  using X = Pack<T>;
  constexpr int64_t kLanes = static_cast<int64_t>(X::kLanes);
  int64_t i = 0;
  while (i < n) {
    for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
      const int64_t j = i + kLanes;
      for (const T* p : {static_cast<const T*>(w), g, static_cast<const T*>(s[I])...}) {
        prefetch(p + i + ahead);
        prefetch(p + j + ahead);
      }
      X w0 = X::load(w + i), w1 = X::load(w + j);
      X g0 = X::load(g + i), g1 = X::load(g + j);
      X s0[] = {X::load(s[I] + i)..., w0}, s1[] = {X::load(s[I] + j)..., w1};
      prologue(k, g0, w0);
      prologue(k, g1, w1);
      if constexpr (squares<R>()) {
        if (any(!both_squarable(g0, g1))) break;
      }
      R::step(k, g0, w0, s0[I]...);
      R::step(k, g1, w1, s1[I]...);
      w0.store(w + i);
      (s0[I].store(s[I] + i), ...);
      w1.store(w + j);
      (s1[I].store(s[I] + j), ...);
    }
    // The next two registers, which hold something too large to be squared, or what is left.
    for (const int64_t end = std::min(n, i + 2 * kLanes); i < end; i += kLanes) {
      const size_t part = static_cast<size_t>(std::min(kLanes, n - i));
      X w0 = X::load_n(w + i, part);
      X s0[] = {X::load_n(s[I] + i, part)..., w0};
      update<R>(k, X::load_n(g + i, part), w0, s0[I]...);
      w0.store_n(w + i, part);
      (s0[I].store_n(s[I] + i, part), ...);
    }
  }
}

template <class R, class T, size_t... I>
void sweep_piece(const Coef<double>& exact, const RuleTensor& tensor, const Piece& piece,
                 std::index_sequence<I...> slots) {
  using X = Pack<T>;
#define FL_ROW(letter) X(static_cast<T>(exact.letter)),
  const Coef<X> k = {FL_COEF_LETTERS(FL_ROW)};
#undef FL_ROW
  const T* g = static_cast<const T*>(piece.g);
  T* w = static_cast<T*>(tensor.w) + piece.begin;
  T* s[] = {static_cast<T*>(tensor.slots[I]) + piece.begin..., nullptr};
  const int64_t ahead = piece.rows == 1 ? kAhead : kRowsAhead * piece.stride;
  for (int64_t row = 0; row < piece.rows; ++row) {
    sweep<R, T>(k, g, w, s, piece.columns, ahead, slots);
    g += piece.g_stride;
    w += piece.stride;
    ((s[I] += piece.stride), ...);
  }
}

template <class R, class T>
void sweep(const Coef<double>& k, const RuleTensor& tensor, const Piece& piece) {
  static_assert(R::kSlots.size() <= kMaxSlots, "raise kMaxSlots");
  sweep_piece<R, T>(k, tensor, piece, std::make_index_sequence<R::kSlots.size()>());
}

template <class R, Precision kPrecision, size_t kSlot>
using CodeOf = CodeFor<kPrecision, R::kSlots[kSlot].values>;

// The same on compressed state, a block at a time: codes are read and written while root and division are under way.
// `begin` is the first element of a block.
template <class R, Precision kPrecision, size_t... I>
void compressed(const Coef<double>& exact, const RuleTensor& tensor, int64_t begin, int64_t end,
                [[maybe_unused]] uint32_t key, std::index_sequence<I...>) {
  using X = Pack<float>;
  constexpr int64_t kLanes = static_cast<int64_t>(X::kLanes);
  constexpr size_t kSlots = sizeof...(I);
#define FL_ROW(letter) X(static_cast<float>(exact.letter)),
  const Coef<X> k = {FL_COEF_LETTERS(FL_ROW)};
#undef FL_ROW
  [[maybe_unused]] alignas(64) float values[kSlots + 1][kStateBlock];
  [[maybe_unused]] alignas(64) uint16_t random[kSlots + 1][kStateBlock];
  for (int64_t first = begin; first < end; first += kStateBlock) {
    Block block(R::kSlots.data(), static_cast<int>(kSlots), kPrecision, tensor, first, end);
    (random_numbers(random_counter(key, static_cast<int>(I), first), random[I]), ...);
    const Bits exponents[] = {Bits(block.exponent(I))..., Bits(0)};
    Bits most[] = {Bits(0 * static_cast<int>(I))..., Bits(0)};
    for (int64_t i = 0; i < kStateBlock; i += kLanes) {
      prefetch(block.w + i + 2 * kAhead);
      prefetch(block.g + i + 2 * kAhead);
      (prefetch(block.codes[I] +
                static_cast<int64_t>(sizeof(typename CodeOf<R, kPrecision, I>::Code)) * (i + 2 * kAhead)),
       ...);
      X w = X::load(block.w + i);
      X s[] = {Held<CodeOf<R, kPrecision, I>>::load(block.codes[I], exponents[I], i)..., w};
      update<R>(k, X::load(block.g + i), w, s[I]...);
      w.store(block.w + i);
      (Held<CodeOf<R, kPrecision, I>>::store(s[I], random[I], i, values[I], most[I], block.codes[I]), ...);
    }
    if (block.n < kStateBlock) ((most[I] = Held<CodeOf<R, kPrecision, I>>::largest(values[I], block.n)), ...);
    (block.keep(I, Held<CodeOf<R, kPrecision, I>>::finish(values[I], random[I], most[I], block.codes[I])), ...);
    block.finish();
  }
}

template <class R, Precision kPrecision>
void compressed(const Coef<double>& k, const RuleTensor& tensor, int64_t begin, int64_t end, uint32_t key) {
  compressed<R, kPrecision>(k, tensor, begin, end, key, std::make_index_sequence<R::kSlots.size()>());
}

template <class R>
constexpr Rule row() {
  return {R::kName,
          R::kSlots.data(),
          static_cast<int>(R::kSlots.size()),
          R::kHypers.data(),
          static_cast<int>(R::kHypers.size()),
          &coefficients<R, double>,
          kAdvance<R>,
          {&sweep<R, float>, &sweep<R, double>},
          {&compressed<R, Precision::kBFloat16>, &compressed<R, Precision::kFloat8>}};
}

// Element i goes to sum i % kSquareSums, whole rounds of four of them by way of four partial sums: the same on every
// target. It is done on the gradient's way to the cache, for inside the update it takes a tenth of Adam's time.
template <class T>
void add_squares(const void* from, int64_t n, void* to) {
  using X = Pack<T>;
  constexpr int64_t kLanes = static_cast<int64_t>(X::kLanes), kQuarter = kSquareSums<T> / kLanes;
  const T* const g = static_cast<const T*>(from);
  X total[kQuarter];
  for (int64_t j = 0; j < kQuarter; ++j) total[j] = X::load(static_cast<T*>(to) + j * kLanes);
  int64_t i = 0;
  if (n >= 4 * kSquareSums<T>) {
    X sum[4 * kQuarter];
    for (X& s : sum) s = X(T(0));
    for (; i + 4 * kSquareSums<T> <= n; i += 4 * kSquareSums<T>) {
      FL_UNROLL
      for (int64_t j = 0; j < 4 * kQuarter; ++j) {
        const X x = X::load(g + i + j * kLanes);
        sum[j] = fma(x, x, sum[j]);
      }
    }
    for (int64_t j = 0; j < kQuarter; ++j)
      total[j] = total[j] + ((sum[j] + sum[kQuarter + j]) + (sum[2 * kQuarter + j] + sum[3 * kQuarter + j]));
  }
  for (; i < n; i += kSquareSums<T>) {
    for (int64_t j = 0; j < kQuarter && i + j * kLanes < n; ++j) {
      const int64_t at = i + j * kLanes;
      const X x = X::load_n(g + at, static_cast<size_t>(std::min(kLanes, n - at)));
      total[j] = fma(x, x, total[j]);
    }
  }
  for (int64_t j = 0; j < kQuarter; ++j) total[j].store(static_cast<T*>(to) + j * kLanes);
}

#define FL_ROW(Name) row<Name>(),
constexpr Rule kRules[] = {FL_RULES(FL_ROW)};
constexpr RuleTable kRuleTable = {kRules, sizeof(kRules) / sizeof(Rule), {add_squares<float>, add_squares<double>}};
#undef FL_ROW

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(RuleTable, rule_table, kRuleTable)

namespace fallline {

int rule_count() { return rule_table().count; }

const Rule& rule(int index) { return rule_table().rows[index]; }

int rule_index(const std::string& name) {
  for (int i = 0; i < rule_count(); ++i) {
    if (name == rule(i).name) return i;
  }
  throw std::invalid_argument("[optim] there is no rule named '" + name + "'");
}

int64_t lay_out(RuleTensor* tensors, int64_t count, Precision precision) {
  // Pieces then begin on whole registers and lines of a tensor, and on whole blocks of compressed state.
  const int64_t line = precision == Precision::kFull ? 16 : kStateBlock;
  int64_t end = 0;
  for (int64_t i = 0; i < count; ++i) {
    tensors[i].begin = end;
    end += (tensors[i].n + line - 1) / line * line;
  }
  return end;
}

namespace {

template <class T>
double join(const std::byte* sums) {
  constexpr int64_t kHalf = kSquareSums<T> / 2;
  const T* const sum = reinterpret_cast<const T*>(sums);
  double half[kHalf];
  for (int64_t i = 0; i < kHalf; ++i) half[i] = static_cast<double>(sum[i]) + static_cast<double>(sum[i + kHalf]);
  for (int64_t n = kHalf / 2; n > 0; n /= 2) {
    for (int64_t i = 0; i < n; ++i) half[i] += half[i + n];
  }
  return half[0];
}

}  // namespace

void rule_step(const Rule& rule, DType dtype, const double* hypers, int64_t t, const RuleTensor* tensors, int64_t count,
               int64_t end, Precision precision, double* squares) {
  static_assert(kSweepGrain % kStateBlock == 0, "threads take whole blocks");
  const Coef<double> k = rule.coef(hypers, t);
  const auto step = rule.step[dtype == DType::kFloat64];
  const auto add_squares = rule_table().add_squares[dtype == DType::kFloat64];
  const int64_t size = static_cast<int64_t>(size_of(dtype));
  const FlushToZero scope;
  for_chunks(end, kSweepGrain, [&](int64_t from, int64_t to) {
    const RuleTensor* const last = tensors + count;
    const RuleTensor* tensor =
        std::upper_bound(tensors, last, from, [](int64_t at, const RuleTensor& next) { return at < next.begin; }) - 1;
    alignas(64) std::byte sums[64] = {};
    for (; tensor < last && tensor->begin < to; ++tensor) {
      const int64_t a = std::max<int64_t>(from - tensor->begin, 0);
      const int64_t b = std::min(to - tensor->begin, tensor->n);
      if (a >= b) continue;
      const std::byte* const g = static_cast<const std::byte*>(tensor->g) + a * size;
      if (squares) add_squares(g, b - a, sums);
      if (precision == Precision::kFull) {
        step(k, *tensor, {a, b - a, g});
      } else {
        rule.compressed_step[static_cast<int>(precision) - 1](k, *tensor, a, b, step_key(t, tensor - tensors));
      }
    }
    if (squares) squares[from / kSweepGrain] = dtype == DType::kFloat64 ? join<double>(sums) : join<float>(sums);
  });
}

}  // namespace fallline
#endif
