// How is a body run, once or along rows?
#include "plan/loop.h"

#include <chrono>
#include <cstring>

#include "ops/plain.h"
#include "simd/flush.h"

namespace fallline {
namespace {

void (*watch)() = nullptr;

void look_now() {
  using Clock = std::chrono::steady_clock;
  thread_local Clock::time_point looked = Clock::now();
  const Clock::time_point now = Clock::now();
  if (now - looked < std::chrono::milliseconds(100)) return;
  looked = now;
  watch();
}

}  // namespace

void set_watch(void (*look)()) { watch = look; }

// The count goes on from run to run, so that a short loop inside a long one looks too.
void Loop::look_around() {
  if (++runs_ % 256 == 0 && watch) look_now();
}

Loop::Loop(const Nested& nested, std::vector<int64_t> copied)
    : plan_(*nested.graph, nested.outputs, {}, false, nested.carries),
      carries_(static_cast<size_t>(nested.carries)),
      rows_(static_cast<size_t>(nested.rows)),
      reverse_(nested.reverse),
      copied_(std::move(copied)),
      memory_(padded(plan_.arena_bytes())) {
  for (int i = 0; i < plan_.output_count(); ++i) {
    const Array& from = plan_.output(i);
    parts_.push_back({&from, nullptr, static_cast<size_t>(from.bytes()), from.row_major()});
  }
  for (size_t i = 0; i < carries_; ++i) crossed_ |= plan_.is_input(static_cast<int>(i));
  for (size_t i = 0; i < carries_ && !crossed_; ++i)
    parts_[i].in_place = parts_[i].flat && plan_.may_replace(static_cast<int>(i), static_cast<int>(i));
  for (size_t i = 0; i < carries_; ++i)
    memory_ += (crossed_ ? 2 : 1) * padded(plan_.output(static_cast<int>(i)).bytes());
  for (int64_t bytes : copied_) memory_ += bytes ? padded(bytes) : 0;
}

void Loop::attach(std::byte* memory) {
  plan_.attach(memory);
  memory += padded(plan_.arena_bytes());
  const auto take = [&](int64_t bytes) {
    std::byte* const begin = memory;
    memory += padded(bytes);
    return begin;
  };
  next_.clear();
  for (size_t i = 0; i < carries_; ++i) {
    const int64_t bytes = static_cast<int64_t>(parts_[i].bytes);
    parts_[i].to = take(bytes);
    plan_.bind(static_cast<int>(i), parts_[i].to);
    if (parts_[i].in_place) plan_.place_output(static_cast<int>(i), parts_[i].to);
    if (crossed_) next_.push_back(take(bytes));
  }
  copies_.clear();
  for (int64_t bytes : copied_) copies_.push_back(bytes ? take(bytes) : nullptr);
}

void Loop::copy(const Copy& part, std::byte* to) {
  if (part.flat) {
    std::memcpy(to, part.from->data, part.bytes);
    return;
  }
  Array target = Array::placeholder(part.from->shape, part.from->dtype);
  target.data = to;
  cast(*part.from, target);
}

// The first carries, and what stays the same.
void Loop::begin(const Array* const* in) {
  for (size_t i = 0; i < copied_.size(); ++i) {
    Array target = Array::placeholder(in[i]->shape, in[i]->dtype);
    target.data = i < carries_ ? parts_[i].to : copies_[i];
    if (target.data) cast(*in[i], target);
    if (i >= carries_ + rows_) plan_.bind(static_cast<int>(i), target.data ? target.data : in[i]->data);
  }
}

void Loop::bind_rows(const Array* const* in, int64_t row) {
  for (size_t i = carries_; i < carries_ + rows_; ++i) {
    std::byte* const rows = copies_[i] ? copies_[i] : in[i]->data;
    plan_.bind(static_cast<int>(i), rows + row * plan_.input(static_cast<int>(i)).bytes());
  }
}

// What is gathered is read before a carry is written, for it may be a view of one.
void Loop::gather(const Array* const* out, int64_t row) const {
  for (size_t i = carries_; i < parts_.size(); ++i)
    copy(parts_[i], out[i]->data + row * static_cast<int64_t>(parts_[i].bytes));
  for (size_t i = 0; i < carries_; ++i)
    if (!parts_[i].in_place) copy(parts_[i], crossed_ ? next_[i] : parts_[i].to);
  if (!crossed_) return;
  for (size_t i = 0; i < carries_; ++i) std::memcpy(parts_[i].to, next_[i], parts_[i].bytes);
}

void Loop::run(const Array* const* in, const Array* const* out, int64_t length) {
  const FlushToZero scope;
  begin(in);
  for (int64_t step = 0; step < length; ++step) {
    const int64_t row = reverse_ ? length - 1 - step : step;
    bind_rows(in, row);
    plan_.run_steps();
    gather(out, row);
    look_around();
  }
  Plan::count_runs(length);
  for (size_t i = 0; i < carries_; ++i) std::memcpy(out[i]->data, parts_[i].to, parts_[i].bytes);
}

}  // namespace fallline
