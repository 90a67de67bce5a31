// Where do the rows of a batch lie?  Neighbours of the right dtype where they are in the data set; all others on a
// stage, gathered and cast.
#ifndef FALLLINE_TRAIN_BATCH_ROWS_H_
#define FALLLINE_TRAIN_BATCH_ROWS_H_

#include <vector>

#include "ops/random.h"
#include "simd/background.h"
#include "tensor/array.h"

namespace fallline {

// The rows of one data set, and room for some of them on each of two stages.
class BatchRows {
 public:
  // `rows`: (n, ...) of any dtype and strides; `wanted`: the layout of a batch, row by row.
  BatchRows(Array rows, const Array& wanted);
  void make_room(int64_t rows);

  // Rows order[first] ... order[last - 1], or first ... last - 1 where `order` is null, to a stage from place `at` on.
  // Rows up to place `known` of the order may be prefetched.
  void gather(const int64_t* order, int64_t first, int64_t last, int64_t known, int stage, int64_t at);
  std::byte* on_stage(int stage, int64_t at) const { return staged_[stage].data + at * bytes_; }

  bool lies_ready() const { return in_place_; }  // neighbours, and single rows
  std::byte* in_place(int64_t first) const { return rows_.data + first * step_; }
  void prefetch(int64_t row) const;
  int64_t bytes() const { return bytes_; }  // of a row on the stage

 private:
  Array rows_;
  Array staged_[2];
  Array raw_[2];          // those of another dtype before they are cast
  Layout wanted_;         // of a batch
  int64_t length_;        // elements of a row
  int64_t step_, bytes_;  // from row to row of the data set, of a stage
  bool in_place_;         // neighbours are read where they lie
  bool plain_;            // a row lies without gaps
};

// Several data sets, batch after batch in one order. Of small batches many are gathered at once; while one stage is
// read, threads without work fill the other, and decide what order comes after it.
class Batches {
 public:
  Batches(std::vector<BatchRows> sources, int64_t batch);
  Batches(Batches&&) = delete;

  // Makes the rows ready that come from place `begin` of the order on, or rows begin ... where `order` is null, and may
  // take more up to place `end` from the data sets for the calls that follow with the same order, until forget().
  void go_to(RandomOrder* order, int64_t begin, int64_t end);
  std::byte* of(int source) const;  // where the batch lies until the next call
  void forget();

 private:
  struct Stage {
    int64_t first = 0, last = 0;  // places of the order
  };

  bool reads_in_place(const BatchRows& source) const { return source.lies_ready() && (!order_ || batch_ == 1); }
  void gather_units(int stage, int64_t begin, int64_t end);
  void gather_now();
  void gather_later(int64_t end);
  void look_ahead(int64_t end);
  int64_t units(int stage) const;

  std::vector<BatchRows> sources_;
  int64_t batch_, room_, unit_, unit_ns_;  // rows of a batch, of a stage, of a unit of work
  bool lie_ready_ = true;                  // all sources
  RandomOrder* order_ = nullptr;
  int64_t begin_ = 0, decide_to_ = 0;
  Stage stages_[2];
  int now_ = 0;  // the stage that is read
  Background background_;
};

}  // namespace fallline

#endif  // FALLLINE_TRAIN_BATCH_ROWS_H_
