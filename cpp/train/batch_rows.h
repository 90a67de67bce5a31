// How do the rows of a data set become a batch?  Neighbours of the right dtype are read where they lie; all others are
// gathered and cast into a stage.
#ifndef FALLLINE_TRAIN_BATCH_ROWS_H_
#define FALLLINE_TRAIN_BATCH_ROWS_H_

#include "tensor/array.h"

namespace fallline {

class BatchRows {
 public:
  // `rows`: (n, ...) of any dtype and strides; `wanted`: the layout of a batch, row by row.
  BatchRows(Array rows, const Array& wanted);

  // Where the batch of rows order[begin], order[begin + 1] ... lies, or of rows begin, begin + 1 ... where `order` is
  // null. It stays until the next call. Of the batches that follow up to place `end` of the same order, those that are
  // small are gathered along: they are on the stage when they are asked for, until forget().
  std::byte* batch(const int64_t* order, int64_t begin, int64_t end);
  void forget() { first_ = last_ = 0; }

 private:
  void gather(const int64_t* order, int64_t first, int64_t last);

  Array rows_;
  Array staged_;          // the rows at places [first_, last_) of the order
  Array raw_;             // those of another dtype before they are cast
  int64_t batch_;         // rows
  int64_t length_;        // elements of a row
  int64_t step_, bytes_;  // from row to row of the data set, of the stage
  int64_t first_ = 0, last_ = 0;
  bool in_place_;  // neighbours are read where they lie
  bool plain_;     // a row lies without gaps
};

}  // namespace fallline

#endif  // FALLLINE_TRAIN_BATCH_ROWS_H_
