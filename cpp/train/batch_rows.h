// How do the rows of a data set become a batch?  Neighbours of the right dtype are read where they lie; all others are
// gathered and cast into a buffer of one batch.
#ifndef FALLLINE_TRAIN_BATCH_ROWS_H_
#define FALLLINE_TRAIN_BATCH_ROWS_H_

#include "tensor/array.h"

namespace fallline {

class BatchRows {
 public:
  // `rows`: (n, ...) of any dtype and strides; `wanted`: the layout of a batch, row by row.
  BatchRows(Array rows, const Array& wanted);

  // Where the batch of rows order[begin], order[begin + 1] ... lies, or of rows begin, begin + 1 ... where `order`, of
  // n rows, is null. It stays until the next call.
  std::byte* batch(const int64_t* order, int64_t begin);

 private:
  void gather(const int64_t* order, int64_t begin, int64_t first, int64_t last);
  void ask_for(const int64_t* order, int64_t begin) const;
  const std::byte* row(const int64_t* order, int64_t i) const { return rows_.data + (order ? order[i] : i) * step_; }

  Array rows_, staged_;
  Layout one_;               // of a row
  int64_t step_;             // bytes between rows
  int64_t bytes_;            // of a row in the batch
  bool same_dtype_, plain_;  // plain: a row is a copy of bytes
};

}  // namespace fallline

#endif  // FALLLINE_TRAIN_BATCH_ROWS_H_
