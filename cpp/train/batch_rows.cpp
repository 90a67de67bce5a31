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
constexpr int64_t kStage = 1 << 16;
// Bytes of rows that are asked for before their turn.
constexpr int64_t kOnTheWay = 512;
// Rows of at least kChunk bytes; the last chunk of a row may lie over the one before. While a chunk is copied that of a
// row to come is asked for, for the machine itself does not look from row to row.
template <int64_t kChunk>
void copy_chunks(std::byte* to, const std::byte* from, int64_t step, const int64_t* order, int64_t n, int64_t bytes) {
  const int64_t ahead = std::max<int64_t>(2, kOnTheWay / bytes);
  for (int64_t i = 0; i < n; ++i, to += bytes) {
    const std::byte* const row = from + order[i] * step;
    const std::byte* const next = from + order[std::min(i + ahead, n - 1)] * step;
    for (int64_t at = 0; at + kChunk < bytes; at += kChunk) {
      hwy::Prefetch(next + at);
      std::memcpy(to + at, row + at, kChunk);
    }
    hwy::Prefetch(next + bytes - kChunk);
    std::memcpy(to + bytes - kChunk, row + bytes - kChunk, kChunk);
  }
}

// A call of memcpy would cost more than the copy of a short row.
void copy_rows(std::byte* to, const std::byte* from, int64_t step, const int64_t* order, int64_t n, int64_t bytes) {
  if (bytes == 0) return;
  const auto copy = bytes >= 64   ? copy_chunks<64>
                    : bytes >= 16 ? copy_chunks<16>
                    : bytes >= 8  ? copy_chunks<8>
                    : bytes >= 4  ? copy_chunks<4>
                                  : copy_chunks<1>;
  copy(to, from, step, order, n, bytes);
}

Array part(const Array& x, int64_t first, int64_t last) {
  Layout layout = x.layout();
  layout.shape[0] = last - first;
  layout.offset += first * x.strides[0];
  return x.view(layout);
}

}  // namespace

BatchRows::BatchRows(Array rows, const Array& wanted) : rows_(std::move(rows)), batch_(wanted.shape[0]) {
  const Array one = part(rows_, 0, 1);
  length_ = one.size();
  step_ = rows_.strides[0] * static_cast<int64_t>(size_of(rows_.dtype));
  bytes_ = length_ * static_cast<int64_t>(size_of(wanted.dtype));
  plain_ = one.row_major();
  in_place_ = rows_.dtype == wanted.dtype && rows_.row_major();
  Dims shape = wanted.shape;
  const int64_t most = std::min(kStage / std::max<int64_t>(1, bytes_), rows_.shape[0]);
  shape[0] = std::max(most / batch_, int64_t{1}) * batch_;
  staged_ = Array::empty(shape, wanted.dtype);
  if (plain_ && rows_.dtype != wanted.dtype) raw_ = Array::empty(shape, rows_.dtype);
}

std::byte* BatchRows::batch(const int64_t* order, int64_t begin, int64_t end) {
  if (!order && in_place_) return rows_.data + begin * step_;
  if (begin < first_ || begin + batch_ > last_) {
    first_ = begin;
    last_ = std::min(end, begin + staged_.shape[0]);
    for_chunks(last_ - first_, std::max<int64_t>(1, kSweepGrain / std::max<int64_t>(1, length_)),
               [&](int64_t a, int64_t b) { gather(order, begin + a, begin + b); });
  }
  return staged_.data + (begin - first_) * bytes_;
}

void BatchRows::gather(const int64_t* order, int64_t first, int64_t last) {
  const Array to = part(staged_, first - first_, last - first_);
  if (!order) return cast(part(rows_, first, last), to);
  if (!plain_) {
    for (int64_t i = 0; i < last - first; ++i)
      cast(part(rows_, order[first + i], order[first + i] + 1), part(to, i, i + 1));
    return;
  }
  const bool same = rows_.dtype == staged_.dtype;
  const Array raw = same ? to : part(raw_, first - first_, last - first_);
  const int64_t bytes = length_ * static_cast<int64_t>(size_of(rows_.dtype));
  copy_rows(raw.data, rows_.data, step_, order + first, last - first, bytes);
  if (!same) cast(raw, to);
}

}  // namespace fallline
