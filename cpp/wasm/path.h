// Which way does a rule go in the browser, with what may happen to gradients and points around it?
//
// fallline.optim says the same in Python: add_noise, clip_value, clip_norm, NesterovLookahead, SAM and Lookahead.
#ifndef FALLLINE_WASM_PATH_H_
#define FALLLINE_WASM_PATH_H_

#include <cmath>
#include <cstring>

#include "train/terrain.h"
#include "wasm/draws.h"
#include "wasm/rules.h"

namespace fallline {
namespace wasm {

// What engine.js asks for, in this order.
struct Wanted {
  double rule, landscape, steps, x, y, single;
  double shift_x, shift_y;
  double noisy, eta, gamma, noise_high, noise_low;            // the seed in two halves
  double clip_value, clip_norm, sam, slow_every, slow_share;  // zero: without
  double points, absolute, batch, seed_high, seed_low;        // of a line
  double scheduled;                                           // whether hyper-parameters change
};

// Where the numbers go: one of each for every step, and one more of points, losses and slots.
struct Record {
  Two *points, *used, *raw, *ahead, *slots;
  double* losses;
};

inline uint64_t seed_of(double high, double low) {
  return static_cast<uint64_t>(high) << 32 | static_cast<uint64_t>(low);
}

inline double length(const double* g) { return std::sqrt(g[0] * g[0] + g[1] * g[1]); }

// Neelakantan et al. 2015, eq. (1), as add_noise has it.
inline void add_noise(const Wanted& wanted, int64_t t, double* g) {
  using X = landscapes::Number;
  const uint64_t seed = seed_of(wanted.noise_high, wanted.noise_low);
  const uint64_t key = derive_key(derive_key(derive_key(seed, 0x6E6F697365), static_cast<uint64_t>(t)), 0);
  const X variance = X(wanted.eta) / pow(X(1.0 + static_cast<double>(t)), X(wanted.gamma));
  const double deviation = rounded(sqrt(variance).v);
  for (int i = 0; i < 2; ++i) {
    const double draw = mode.single ? static_cast<double>(normal<float>(key, 0, i)) : normal<double>(key, 0, i);
    g[i] = rounded(g[i] + rounded(deviation * draw));
  }
}

inline void clip(const Wanted& wanted, double* g) {
  if (wanted.clip_value > 0) {
    const double limit = rounded(wanted.clip_value);
    for (int i = 0; i < 2; ++i) g[i] = g[i] > limit ? limit : g[i] < -limit ? -limit : g[i];
  }
  if (wanted.clip_norm > 0) {
    const double far = length(g), share = wanted.clip_norm / (far < 1e-300 ? 1e-300 : far);
    const double factor = share > 1 ? 1.0 : rounded(share);  // NaN where the length is
    for (int i = 0; i < 2; ++i) g[i] = rounded(g[i] * factor);
  }
}

class Walk {
 public:
  Walk(const Wanted& wanted, double* hypers, const Terrain& terrain)
      : wanted_(wanted),
        rule_(kRules[static_cast<int>(wanted.rule)]),
        looks_(static_cast<int>(wanted.rule) == kLookahead),
        hypers_(hypers),
        terrain_(terrain),
        w_{rounded(wanted.x), rounded(wanted.y)},
        slow_{w_[0], w_[1]} {
    for (int j = 0; j < rule_.slot_count; ++j) start(rule_.slots[j], slots_[j]);
  }

  void run(const Record& record) {
    const size_t count = static_cast<size_t>(rule_.slot_count);
    double found[3];
    for (int64_t t = 0;; ++t, hypers_ += rule_.hyper_count) {
      std::memcpy(record.points[t], w_, sizeof w_);
      std::memcpy(record.slots + static_cast<size_t>(t) * count, slots_, count * sizeof w_);
      terrain_.value(t, w_, found);
      record.losses[t] = found[0];
      if (t == static_cast<int64_t>(wanted_.steps)) return;
      look_ahead(t, found, record.ahead[t]);
      Two g = {rounded(found[1]), rounded(found[2])};
      std::memcpy(record.raw[t], g, sizeof g);
      if (wanted_.noisy != 0) add_noise(wanted_, t, g);
      clip(wanted_, g);
      std::memcpy(record.used[t], g, sizeof g);
      step(t, g);
    }
  }

 private:
  void start(const Slot& slot, double* s) const {
    const char* const from = slot.starts_at;
    for (int i = 0; i < 2; ++i) {
      s[i] = from && std::strcmp(from, kParameter) == 0 ? w_[i] : 0;
      for (int h = 0; from && h < rule_.hyper_count; ++h)
        if (std::strcmp(from, rule_.hypers[h].name) == 0) s[i] = rounded(hypers_[h]);
    }
  }

  // Where the gradient is taken: `found` is what is here, of everything, and becomes what is there.
  void look_ahead(int64_t t, double* found, double* there) {
    std::memcpy(there, w_, sizeof w_);
    if (looks_ && t > 0) {
      const double far = rounded(hypers_[1] * (hypers_[2] != 0 ? hypers_[0] : 1.0));
      for (int i = 0; i < 2; ++i) there[i] = rounded(w_[i] - rounded(far * slots_[0][i]));
    } else if (wanted_.sam > 0) {
      if (!terrain_.whole()) terrain_.batch_value(t, w_, found);
      const Two g = {rounded(found[1]), rounded(found[2])};
      const double far = length(g);
      for (int i = 0; i < 2 && far != 0; ++i) there[i] = rounded(w_[i] + wanted_.sam / far * g[i]);
    }
    if (!terrain_.whole() || std::memcmp(there, w_, sizeof w_) != 0) terrain_.batch_value(t, there, found);
  }

  void step(int64_t t, const double* g) {
    // Rules on whole tensors, such as the one that looks ahead, step in NumPy, where subnormal numbers stay.
    mode.smallest = looks_ ? 0.0 : mode.single ? 0x1p-126 : 0x1p-1022;
    const Coef<double> exact = rule_.coef(hypers_, t + 1);
#define FL_ROW(letter) Real(exact.letter),
    const Coef<Real> k = {FL_COEF_LETTERS(FL_ROW)};
#undef FL_ROW
    rule_.step(k, g, w_, slots_);
    mode.smallest = 0;
    if (wanted_.scheduled != 0 && rule_.advance && t + 1 < static_cast<int64_t>(wanted_.steps)) advance(t + 1);
    const int64_t every = static_cast<int64_t>(wanted_.slow_every);
    if (every == 0 || (t + 1) % every != 0) return;
    for (int i = 0; i < 2; ++i)
      w_[i] = slow_[i] = rounded(slow_[i] + rounded(rounded(wanted_.slow_share) * rounded(w_[i] - slow_[i])));
  }

  // The running numbers of the next row, from this one.
  void advance(int64_t t) {
    double next[kMostHypers];
    const size_t width = static_cast<size_t>(rule_.hyper_count);
    std::memcpy(next, hypers_, width * sizeof(double));
    rule_.advance(next, t);
    for (size_t j = 0; j < width; ++j)
      if (rule_.hypers[j].range == Range::kRunning) hypers_[width + j] = next[j];
  }

  const Wanted& wanted_;
  const Rule& rule_;
  bool looks_;
  double* hypers_;  // of the next step
  Terrain terrain_;
  Two w_, slow_, slots_[kMostSlots];
};

}  // namespace wasm
}  // namespace fallline

#endif  // FALLLINE_WASM_PATH_H_
