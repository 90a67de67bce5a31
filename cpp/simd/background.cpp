// One board for the process: its owner hangs up units, whoever passes by takes one.
//
// A helper counts itself before it takes a unit, and the owner takes the rest away before it looks at that count. So
// when the count is zero nobody looks at the owner's data any more, and the board may change hands.
#include "simd/background.h"

#include <atomic>

#include "simd/flush.h"
#include "simd/parallel.h"

namespace fallline {
namespace {

struct Board {
  std::atomic<bool> taken{false};
  Background::Units units = nullptr;
  void* context = nullptr;
  uint64_t fp_control = 0;
  alignas(128) std::atomic<int64_t> left{0};  // units
  alignas(128) std::atomic<int> helpers{0};
};
Board board;

}  // namespace

bool has_background() { return board.left.load() > 0; }

bool help_background() {
  if (!has_background()) return false;
  board.helpers.fetch_add(1);
  int64_t left = board.left.load();
  while (left > 0 && !board.left.compare_exchange_weak(left, left - 1)) {
  }
  if (left > 0) {
    if (fp_control() != board.fp_control) set_fp_control(board.fp_control);
    board.units(board.context, left - 1, left);
  }
  board.helpers.fetch_sub(1);
  return left > 0;
}

void forget_background() {
  board.left.store(0);
  board.helpers.store(0);
  board.taken.store(false);
}

void Background::start(int64_t n, Units units, void* context, int64_t unit_ns) {
  units_ = units;
  context_ = context;
  left_ = n;
  helped_ = n > 0 && num_threads() > 1 && !in_parallel() && !board.taken.exchange(true);
  if (!helped_) return;
  board.units = units;
  board.context = context;
  board.fp_control = fp_control();
  board.left.store(n);
  left_ = 0;
  wake_for(n * unit_ns);
}

void Background::finish() {
  while (helped_ && help_background()) {
  }
  close();
  if (left_ > 0) units_(context_, 0, left_);
  left_ = 0;
}

void Background::drop() {
  close();
  left_ = 0;
}

void Background::close() {
  if (!helped_) return;
  board.left.store(0);
  wait_until([] { return board.helpers.load() == 0; });
  board.taken.store(false);
  helped_ = false;
}

}  // namespace fallline
