// How do the rows of a data set become a batch?
#include "train/batch_rows.h"

#include <algorithm>
#include <cstring>

#include "ops/plain.h"
#include "simd/parallel.h"
#include "simd/prefetch.h"

namespace fallline {
namespace {

// Rows of the next batch are asked for while this one is worked on, if they are short: lines under way are few.
constexpr int64_t kShortRow = 256;
// The machine itself guesses how a long row goes on, once it has seen the beginning.
constexpr int64_t kRowStart = 512;

// For rows as short as a label or a few features a call of memcpy costs more than the copy.
template <class Word>
void copy_words(std::byte* to, const std::byte* from, int64_t step, const int64_t* order, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * sizeof(Word), from + order[i] * step, sizeof(Word));
}
struct Words {
  uint64_t both[2];
};

void copy_rows(std::byte* to, const std::byte* from, int64_t step, const int64_t* order, int64_t n, int64_t bytes) {
  if (bytes == sizeof(uint32_t)) return copy_words<uint32_t>(to, from, step, order, n);
  if (bytes == sizeof(uint64_t)) return copy_words<uint64_t>(to, from, step, order, n);
  if (bytes == sizeof(Words)) return copy_words<Words>(to, from, step, order, n);
  const size_t start = static_cast<size_t>(std::min(bytes, kRowStart)), length = static_cast<size_t>(bytes);
  for (int64_t i = 0; i < n; ++i) {
    if (i + 1 < n) prefetch_bytes(from + order[i + 1] * step, start);
    std::memcpy(to + i * bytes, from + order[i] * step, length);
  }
}

}  // namespace

BatchRows::BatchRows(Array rows, const Array& wanted)
    : rows_(std::move(rows)), staged_(Array::empty(wanted.shape, wanted.dtype)), one_(rows_.layout()) {
  step_ = rows_.strides[0] * static_cast<int64_t>(size_of(rows_.dtype));
  one_.shape = one_.strides = Dims();
  for (int i = 1; i < rows_.ndim(); ++i) {
    one_.shape.push_back(rows_.shape[i]);
    one_.strides.push_back(rows_.strides[i]);
  }
  bytes_ = count(one_.shape) * static_cast<int64_t>(size_of(wanted.dtype));
  same_dtype_ = rows_.dtype == wanted.dtype;
  plain_ = same_dtype_ && is_row_major(one_.shape, one_.strides);
}

std::byte* BatchRows::batch(const int64_t* order, int64_t begin) {
  if (!order && same_dtype_ && rows_.row_major()) return rows_.data + begin * step_;
  const int64_t length = std::max<int64_t>(count(one_.shape), 1), n = staged_.shape[0];
  for_chunks(n, std::max<int64_t>(1, kSweepGrain / length),
             [&](int64_t first, int64_t last) { gather(order, begin, first, last); });
  if (order && bytes_ <= kShortRow) ask_for(order, begin + n);
  return staged_.data;
}

void BatchRows::gather(const int64_t* order, int64_t begin, int64_t first, int64_t last) {
  if (plain_ && order) {
    return copy_rows(staged_.data + first * bytes_, rows_.data, step_, order + begin + first, last - first, bytes_);
  }
  for (int64_t i = first; i < last; ++i) {
    Array from = rows_.view(one_);
    from.data = const_cast<std::byte*>(row(order, begin + i));
    cast(from, staged_.view({staged_.dtype, one_.shape, -1, i * count(one_.shape), row_major(one_.shape)}));
  }
}

void BatchRows::ask_for(const int64_t* order, int64_t begin) const {
  const int64_t row_bytes = std::max<int64_t>(step_, -step_), end = std::min(begin + staged_.shape[0], rows_.shape[0]);
  for (int64_t i = begin; i < end; ++i)
    prefetch_bytes(row(order, i), static_cast<size_t>(std::min(row_bytes, kShortRow)));
}

}  // namespace fallline
