// How do the rows of a data set become a batch?
#include "train/batch_rows.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#include "ops/plain.h"
#include "simd/parallel.h"

namespace fallline {
namespace {

// What is gathered at once, if a batch is not more: then the ways to many rows overlap, and little leaves the cache.
// With small batches a thread that gathers would have to be woken too often.
constexpr int64_t kStage = 1 << 16, kStageOfSmall = 1 << 18, kSmallBatch = 1 << 11;
// Bytes of rows that are asked for before their turn.
constexpr int64_t kOnTheWay = 512;
constexpr int64_t kLongRow = 4096;
// About what it takes to reach a row somewhere in memory, and to copy it; and what is gathered by one thread at a time.
constexpr int64_t kWayNs = 15, kBytesPerNs = 8, kUnitNs = 1000;

// Rows of at least kChunk bytes; the last chunk of a row may lie over the one before. While a chunk is copied that of a
// row to come is asked for, for the machine itself does not look from row to row: up to `known` of them, n or more.
template <int64_t kChunk>
void copy_chunks(std::byte* to, const std::byte* from, int64_t step, const int64_t* order, int64_t n, int64_t known,
                 int64_t bytes) {
  const int64_t ahead = std::max<int64_t>(2, kOnTheWay / bytes);
  for (int64_t i = 0; i < n; ++i, to += bytes) {
    const std::byte* const row = from + order[i] * step;
    const std::byte* const next = from + order[std::min(i + ahead, known - 1)] * step;
    for (int64_t at = 0; at + kChunk < bytes; at += kChunk) {
      hwy::Prefetch(next + at);
      std::memcpy(to + at, row + at, kChunk);
    }
    hwy::Prefetch(next + bytes - kChunk);
    std::memcpy(to + bytes - kChunk, row + bytes - kChunk, kChunk);
  }
}

// A call of memcpy would cost more than the copy of a short row.
void copy_rows(std::byte* to, const std::byte* from, int64_t step, const int64_t* order, int64_t n, int64_t known,
               int64_t bytes) {
  if (bytes == 0) return;
  const auto copy = bytes >= 64   ? copy_chunks<64>
                    : bytes >= 16 ? copy_chunks<16>
                    : bytes >= 8  ? copy_chunks<8>
                    : bytes >= 4  ? copy_chunks<4>
                                  : copy_chunks<1>;
  copy(to, from, step, order, n, known, bytes);
}

Array part(const Array& x, int64_t first, int64_t last) {
  Layout layout = x.layout();
  layout.shape[0] = last - first;
  layout.offset += first * x.strides[0];
  return x.view(layout);
}

}  // namespace

BatchRows::BatchRows(Array rows, const Array& wanted) : rows_(std::move(rows)), wanted_(wanted.layout()) {
  const Array one = part(rows_, 0, 1);
  length_ = one.size();
  step_ = rows_.strides[0] * static_cast<int64_t>(size_of(rows_.dtype));
  bytes_ = length_ * static_cast<int64_t>(size_of(wanted.dtype));
  plain_ = one.row_major();
  in_place_ = rows_.dtype == wanted.dtype && rows_.row_major();
}

void BatchRows::make_room(int64_t rows) {
  wanted_.shape[0] = rows;
  for (int stage = 0; stage < 2; ++stage) {
    staged_[stage] = Array::empty(wanted_.shape, wanted_.dtype);
    if (plain_ && rows_.dtype != wanted_.dtype) raw_[stage] = Array::empty(wanted_.shape, rows_.dtype);
  }
}

// Of long rows the beginning; then the machine itself sees where it goes.
void BatchRows::prefetch(int64_t row) const {
  for (int64_t at = 0; at < std::min(bytes_, kLongRow); at += 64) hwy::Prefetch(in_place(row) + at);
}

void BatchRows::gather(const int64_t* order, int64_t first, int64_t last, int64_t known, int stage, int64_t at) {
  if (order && plain_ && rows_.dtype == wanted_.dtype)  // without views, which take as long as a short row
    return copy_rows(on_stage(stage, at), rows_.data, step_, order + first, last - first, known - first, bytes_);
  const Array to = part(staged_[stage], at, at + last - first);
  if (!order) return cast(part(rows_, first, last), to);
  if (!plain_) {
    for (int64_t i = 0; i < last - first; ++i)
      cast(part(rows_, order[first + i], order[first + i] + 1), part(to, i, i + 1));
    return;
  }
  const Array raw = part(raw_[stage], at, at + last - first);
  const int64_t bytes = length_ * static_cast<int64_t>(size_of(rows_.dtype));
  copy_rows(raw.data, rows_.data, step_, order + first, last - first, known - first, bytes);
  cast(raw, to);
}

Batches::Batches(std::vector<BatchRows> sources, int64_t batch) : sources_(std::move(sources)), batch_(batch) {
  int64_t bytes = 1;
  for (const BatchRows& source : sources_) bytes += source.bytes();
  for (const BatchRows& source : sources_) lie_ready_ &= source.lies_ready();
  const int64_t stage = bytes * batch_ <= kSmallBatch ? kStageOfSmall : kStage;
  room_ = std::max<int64_t>(1, stage / (bytes * batch_)) * batch_;
  const int64_t row_ns = kWayNs * static_cast<int64_t>(sources_.size()) + bytes / kBytesPerNs;
  unit_ = std::max<int64_t>(1, kUnitNs / row_ns);
  unit_ns_ = unit_ * row_ns;
  for (BatchRows& source : sources_) source.make_room(room_);
}

void Batches::go_to(RandomOrder* order, int64_t begin, int64_t end) {
  if (order_ != order) order_ = order;  // helpers read it, and it changes only after forget()
  begin_ = begin;
  if (lie_ready_ && (!order || batch_ == 1)) return look_ahead(end);
  const auto ready = [&](const Stage& stage) { return stage.first <= begin && begin + batch_ <= stage.last; };
  if (ready(stages_[now_])) return;
  const bool later = ready(stages_[1 - now_]);
  later ? background_.finish() : background_.drop();
  if (later) {
    now_ = 1 - now_;
  } else {
    stages_[now_] = {begin, std::min(end, begin + room_)};
    if (order_) order_->decide(stages_[now_].last);
    gather_now();
  }
  gather_later(end);
}

// For single rows in random order: the next one.
void Batches::look_ahead(int64_t end) {
  if (!order_) return;
  const int64_t next = std::min(begin_ + 1, end - 1);
  order_->decide(next + 1);
  for (const BatchRows& source : sources_) source.prefetch(order_->numbers()[next]);
}

int64_t Batches::units(int stage) const { return (stages_[stage].last - stages_[stage].first + unit_ - 1) / unit_; }

void Batches::gather_units(int stage, int64_t begin, int64_t end) {
  const Stage& place = stages_[stage];
  const int64_t at = begin * unit_, first = place.first + at, last = std::min(place.first + end * unit_, place.last);
  for (BatchRows& source : sources_) {
    if (!reads_in_place(source))
      source.gather(order_ ? order_->numbers() : nullptr, first, last, place.last, stage, at);
  }
}

void Batches::gather_now() {
  const auto some = [this](int64_t begin, int64_t end) { gather_units(now_, begin, end); };
  for_chunks(units(now_), 1, some, unit_ns_);
}

// The other stage, and the order of what comes after it: one unit, for it cannot be divided, which is long where many
// small batches are on a stage.
void Batches::gather_later(int64_t end) {
  const int64_t first = stages_[now_].last, last = std::min(end, first + room_);
  Stage& next = stages_[1 - now_] = {first, std::max(first, last)};
  if (next.last - next.first < batch_) next = {};
  if (order_) order_->decide(next.last);
  decide_to_ = std::min(end, next.last + room_);
  const auto some = [](void* self, int64_t begin, int64_t end) {
    Batches& batches = *static_cast<Batches*>(self);
    const int stage = 1 - batches.now_;
    const int64_t n = batches.units(stage);
    if (end > n) batches.order_->decide(batches.decide_to_);
    batches.gather_units(stage, n - std::min(end, n), n - std::min(begin, n));  // the last one is taken first
  };
  const int64_t n = units(1 - now_);
  background_.start(n > 0 && order_ ? n + 1 : n, some, this, unit_ns_);
}

std::byte* Batches::of(int source) const {
  const BatchRows& rows = sources_[static_cast<size_t>(source)];
  if (reads_in_place(rows)) return rows.in_place(order_ ? order_->numbers()[begin_] : begin_);
  return rows.on_stage(now_, begin_ - stages_[now_].first);
}

void Batches::forget() {
  background_.drop();
  stages_[0] = stages_[1] = {};
}

}  // namespace fallline
