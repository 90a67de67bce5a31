// Which part of a matrix product is done when, from which copy, and by whom?
//
// a is cut into tiles of a few rows, b into panels of two registers of columns. A tile and a panel meet in
// multiply_tile. Small operands are read where they lie; of large ones every block is copied into the order in which it
// is read, before that or by the first tile that reads it. Threads take blocks of rows or groups of panels: no sum is
// shared, so no order changes.
#include "ops/matmul_kernels.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "simd/parallel.h"
#include "simd/unroll.h"
#include "tensor/buffer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/matmul_kernels.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

FL_BEGIN_TARGET
#include "simd/math.inc.h"
#include "ops/unary.inc.h"
FL_END_TARGET

#include "ops/matmul_equal-inl.h"
#include "ops/matmul_pack-inl.h"
#include "ops/matmul_tile-inl.h"

FL_BEGIN_TARGET

constexpr int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }

// Where the tiles find b: as it lies, in panels that every thread copies for itself as it comes to them, or in panels
// that all threads pack together before they multiply.
enum class Panels { kInPlace, kPrivate, kShared };

// One product of the batch and how it is carried out.
template <class T>
struct Product {
  static constexpr int64_t kLanes = Pack<T>::kLanes;
  static constexpr int64_t kPanel = 2 * kLanes;
  static constexpr int64_t kTileStride = (kTileRows + kLanes - 1) / kLanes * kLanes;  // of a packed tile

  const MatmulArgs& args;
  int64_t index;
  const T *a, *b;
  T* c;
  const T *bias, *y;

  bool a_by_column = false, pack_a = false;
  Panels panels = Panels::kInPlace;
  const T* packed = nullptr;                                         // shared panels: [panel][k][kPanel]
  int64_t k_begin = 0, k_end = 0, column_begin = 0, column_end = 0;  // the part of b in hand
  int64_t row_pieces = 1, column_pieces = 1;

  // One register more than the panel holds: no power of two between panels, which would share sets of the cache.
  int64_t panel_size() const { return (k_end - k_begin) * kPanel + kLanes; }
  int64_t first_row(int64_t piece) const {
    const int64_t row = args.m * piece / row_pieces;
    return args.finish && piece < row_pieces ? row / kFinishRows * kFinishRows : row;
  }
  void run_rows(int64_t row, int64_t row_end, int64_t column, int64_t column_last) const;
  bool place_panel(Tile<T>& tile, int64_t k, int64_t j, int vecs) const;
  void run_panel(Tile<T>& tile, int64_t row, int64_t row_end, int64_t k, int64_t j, int vecs, const T* left,
                 bool finished) const;
  void pack_rows(int64_t row, int64_t row_end, int64_t k, int64_t depth, T* to) const;
};

template <class T>
void Product<T>::pack_rows(int64_t row, int64_t row_end, int64_t k, int64_t depth, T* to) const {
  for (int64_t rows; row < row_end; row += rows) {
    rows = next_tile(row_end - row);
    pack(a + row * args.a_row + k * args.a_col, args.a_row, args.a_col, rows, depth, to, kTileStride);
    to += depth * kTileStride;
  }
}

// Where the tile finds its columns of b. True: still in b, and the first tile shall copy them while it reads them.
template <class T>
bool Product<T>::place_panel(Tile<T>& tile, int64_t k, int64_t j, int vecs) const {
  tile.b = b + k * args.b_row + j * args.b_col;
  tile.b_stride = args.b_row;
  if (panels == Panels::kInPlace) return false;
  if (panels == Panels::kShared) {
    tile.b = packed + (j - column_begin) / kPanel * panel_size() + (k - k_begin) * kPanel;
    tile.b_stride = kPanel;
    return false;
  }
  tile.b_copy = static_cast<T*>(scratch(Scratch::kRight, kMatmulDepth * kPanel * int64_t{sizeof(T)}));
  if (args.b_col == 1 && vecs == 2 && (kMaskAlways || tile.columns == Pack<T>::kLanes)) return true;
  const int64_t width = (vecs - 1) * kLanes + static_cast<int64_t>(tile.columns);
  pack(tile.b, args.b_col, args.b_row, width, tile.depth, tile.b_copy, kPanel);
  tile.b = tile.b_copy;
  tile.b_stride = kPanel;
  return false;
}

// One panel of columns [j, j + tile.columns + (vecs - 1) registers) with all rows of [row, row_end).
template <class T>
void Product<T>::run_panel(Tile<T>& tile, int64_t row, int64_t row_end, int64_t k, int64_t j, int vecs, const T* left,
                           bool finished) const {
  alignas(64) T alone[kTileRows * kWidest * kLanes];  // a tile that nobody else shall see
  bool copy = place_panel(tile, k, j, vecs);
  const bool mask = panels == Panels::kInPlace && tile.columns < static_cast<size_t>(kLanes);
  const bool by_column = pack_a || a_by_column;
  tile.c_stride = args.c ? args.c_row : vecs * kLanes;
  tile.a_stride = pack_a ? kTileStride : a_by_column ? args.a_col : args.a_row;
  for (int64_t rows; row < row_end; row += rows) {
    rows = next_tile(row_end - row);
    tile.bias_of_rows = bias && k == 0 && args.bias_by_row ? bias + row : nullptr;
    tile.a = pack_a ? left : a + row * args.a_row + k * args.a_col;
    tile.c = args.c ? c + row * args.c_row + j : alone;
    tile.y = y ? y + row * args.y_row + j : nullptr;
    (by_column ? choose_tile<T, true>(rows, vecs, mask, copy) : choose_tile<T, false>(rows, vecs, mask, copy))(tile);
    if (finished) {
      const int64_t end = j + (vecs - 1) * kLanes + static_cast<int64_t>(tile.columns);
      args.finish(args.finish_context, {index, row, row + rows, j, end, tile.c, tile.c_stride});
    }
    if (pack_a) left += tile.depth * kTileStride;
    if (copy) {
      copy = false;
      tile.b = tile.b_copy;
      tile.b_stride = kPanel;
    }
  }
}

template <class T>
void Product<T>::run_rows(int64_t row, int64_t row_end, int64_t column, int64_t column_last) const {
  const int64_t tiles = ceil_div(row_end - row, kTileRows);
  const int64_t left_items = pack_a ? tiles * kTileStride * kMatmulDepth : 0;
  T* left = pack_a ? static_cast<T*>(scratch(Scratch::kLeft, left_items * int64_t{sizeof(T)})) : nullptr;
  const int many = panels != Panels::kInPlace || tiles > 1 ? 2 : wide_vecs(static_cast<int>(row_end - row));
  Tile<T> tile;
  tile.y_stride = args.y_row;
  int64_t k = k_begin;
  do {
    tile.depth = std::min(kMatmulDepth, k_end - k);
    tile.add = k > 0;
    const bool last = k + tile.depth == args.k, finished = args.finish && last;
    tile.epilogue = last ? args.epilogue : Epilogue::kNone;
    if (pack_a) pack_rows(row, row_end, k, tile.depth, left);
    for (int64_t j = column, step; j < column_last; j += step) {
      const int64_t here = column_last - j;
      const int vecs = here >= many * kLanes ? many : here > kLanes ? 2 : 1;
      step = std::min(here, vecs * kLanes);
      tile.columns = static_cast<size_t>(step - (vecs - 1) * kLanes);
      tile.bias = bias && k == 0 && !args.bias_by_row ? bias + j : nullptr;
      run_panel(tile, row, row_end, k, j, vecs, left, finished);
    }
    k += kMatmulDepth;
  } while (k < k_end);
}

// Piece p of row_pieces x column_pieces, for for_chunks.
template <class T>
void run_pieces(void* context, int64_t begin, int64_t end) {
  const Product<T>& p = *static_cast<const Product<T>*>(context);
  const int64_t columns = p.column_end - p.column_begin;
  const int64_t panels = (columns + Product<T>::kPanel - 1) / Product<T>::kPanel;
  for (int64_t piece = begin; piece < end; ++piece) {
    const int64_t r = piece / p.column_pieces, s = piece % p.column_pieces;
    const int64_t row = p.first_row(r), row_end = p.first_row(r + 1);
    const int64_t first = panels * s / p.column_pieces * Product<T>::kPanel;
    const int64_t last = std::min(panels * (s + 1) / p.column_pieces * Product<T>::kPanel, columns);
    if (row < row_end && first < last) p.run_rows(row, row_end, p.column_begin + first, p.column_begin + last);
  }
}

// Panels are packed in groups, a few rows at a time: rows of b are long, and a page away from each other.
constexpr int64_t kPanelGroup = 8, kPackRows = 16;

template <class T>
void pack_panels(void* context, int64_t begin, int64_t end) {
  const Product<T>& p = *static_cast<const Product<T>*>(context);
  constexpr int64_t kPanel = Product<T>::kPanel;
  const int64_t depth = p.k_end - p.k_begin, rows = p.args.b_col == 1 ? kPackRows : depth;
  for (int64_t k = 0; k < depth; k += rows) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t column = p.column_begin + panel * kPanel;
      pack(p.b + (p.k_begin + k) * p.args.b_row + column * p.args.b_col, p.args.b_col, p.args.b_row,
           std::min(kPanel, p.column_end - column), std::min(rows, depth - k),
           const_cast<T*>(p.packed) + panel * p.panel_size() + k * kPanel, kPanel);
    }
  }
}

// Rows of a that are packed together: with kMatmulDepth they take a part of the second-level cache.
template <class T>
constexpr int64_t kBlockRows = sizeof(T) == 4 ? 98 : 56;
// With more rows b is packed by all threads together, which keeps the panels for all blocks of rows.
constexpr int64_t kPrivateRows = 128;
// Packed at one time: a part of b that stays in the last-level cache while all blocks of rows come by.
constexpr int64_t kSegmentDepth = 2 * kMatmulDepth;
constexpr int64_t kSegmentBytes = 4 << 20;
// A thread is worth its waking for this many operations.
constexpr double kOperationsPerThread = 600000;

// A power of two between rows puts all of them into the same few sets of the cache.
template <class T>
bool collides(int64_t stride, int64_t bytes = 1024) {
  return stride * static_cast<int64_t>(sizeof(T)) % bytes == 0;
}

// Segments of about the same width, in whole panels.
template <class T>
int64_t segment_columns(const MatmulArgs& args) {
  constexpr int64_t kPanel = Product<T>::kPanel;
  const int64_t depth = std::min(kSegmentDepth, std::max<int64_t>(args.k, 1));
  const int64_t segments = ceil_div(args.n, kSegmentBytes / (depth * int64_t{sizeof(T)}));
  return ceil_div(ceil_div(args.n, kPanel), segments) * kPanel;
}

// How many pieces of rows and of columns: the split that leaves the least for the busiest thread, or none if that
// hardly saves anything. To copy a panel costs as much as to multiply a tile with it.
template <class T>
void split(Product<T>& p, int64_t threads) {
  const int64_t panels = ceil_div(p.column_end - p.column_begin, Product<T>::kPanel);
  // Shared: every thread needs all panels. Many rows: what is next to c in memory, such as the state of an update rule,
  // is swept in halves, and between columns the machine's prefetching takes lines away from the other core.
  const bool rows_first = p.panels == Panels::kShared || (p.panels == Panels::kInPlace && p.args.m >= 8 * kTileRows);
  const int64_t copy = p.panels == Panels::kPrivate ? kTileRows : 0;
  int64_t least = (p.args.m + copy) * panels * 4 / 5;
  p.row_pieces = p.column_pieces = 1;
  for (int64_t i = 1; i <= threads; ++i) {
    const int64_t r = rows_first ? threads + 1 - i : i, s = ceil_div(threads, r);
    const int64_t cost = ceil_div(r * s, threads) * (ceil_div(p.args.m, r) + copy) * ceil_div(panels, s);
    if (r <= p.args.m && s <= panels && cost * 16 < least * 15) {
      least = cost;
      p.row_pieces = r;
      p.column_pieces = s;
    }
  }
  if (p.pack_a) p.row_pieces *= ceil_div(p.args.m, p.row_pieces * kBlockRows<T>);
}

// What is read where it lies, and what is copied first.
template <class T>
Product<T> make_product(const MatmulArgs& args, int64_t index) {
  Product<T> p{args,
               index,
               static_cast<const T*>(args.a) + index * args.a_batch,
               static_cast<const T*>(args.b) + index * args.b_batch,
               static_cast<T*>(args.c) + index * args.c_batch,
               static_cast<const T*>(args.bias),
               static_cast<const T*>(args.y)};
  const int64_t panels = ceil_div(args.n, Product<T>::kPanel);
  const bool reread = panels > 1 && args.m > kTileRows;
  const bool edge = args.n % Product<T>::kLanes != 0;
  if ((args.b_col != 1 && args.n > 1) || (edge && !kHasMasks) ||
      (reread && (args.k > 64 || (args.m > 3 * kTileRows && collides<T>(args.b_row))))) {
    p.panels = args.m > kPrivateRows ? Panels::kShared : Panels::kPrivate;
  }
  const bool unit_row = args.a_row == 1 || args.m == 1, unit_column = args.a_col == 1 || args.k == 1;
  p.a_by_column = unit_row && !(unit_column && args.m == 1);
  if (args.m > 1 && args.k > 1) {
    // The rows of one tile alone do not collide before a distance of 2 KB, and where b is copied without a pause, a
    // copy of a costs more than it saves.
    const bool copy = p.panels == Panels::kPrivate ? collides<T>(args.a_row, 2048)
                                                   : panels > 6 || p.a_by_column || collides<T>(args.a_row);
    const bool often = args.k > 128 || (p.a_by_column && args.k > 32 && panels > 2);
    p.pack_a = !(unit_row || unit_column) || (reread && often && copy);
  }
  return p;
}

// The part of b with columns [column, column_end) and rows [k, k_end), by several threads.
template <class T>
void run_segment(Product<T>& p, int64_t threads) {
  constexpr int64_t kPanel = Product<T>::kPanel;
  constexpr int64_t kRate = 4 * Product<T>::kLanes;  // operations per nanosecond, about
  const int64_t width = p.column_end - p.column_begin, depth = p.k_end - p.k_begin;
  if (p.panels == Panels::kShared) {
    const int64_t panels = ceil_div(width, kPanel);
    p.packed = static_cast<T*>(scratch(Scratch::kRight, panels * p.panel_size() * int64_t{sizeof(T)}));
    if (threads > 1) {
      const int64_t group = std::min(kPanelGroup, ceil_div(panels, threads));
      for_chunks(panels, group, pack_panels<T>, &p, group * depth * kPanel / 4);
    } else {
      for (int64_t i = 0; i < panels; i += kPanelGroup) pack_panels<T>(&p, i, std::min(i + kPanelGroup, panels));
    }
  }
  const int64_t pieces = p.row_pieces * p.column_pieces;
  if (threads > 1) {
    for_chunks(pieces, 1, run_pieces<T>, &p, 2 * p.args.m * width * depth / pieces / kRate);
  } else {
    run_pieces<T>(&p, 0, pieces);
  }
}

template <class T>
void run_one(const MatmulArgs& args, int64_t index, int64_t threads) {
  Product<T> p = make_product<T>(args, index);
  if (threads == 1 && !p.pack_a && p.panels != Panels::kShared) {  // no divisions, no pool
    p.k_end = args.k;
    p.column_end = args.n;
    p.run_rows(0, args.m, 0, args.n);
    return;
  }
  const bool shared = p.panels == Panels::kShared;
  const int64_t depth = shared ? kSegmentDepth : std::max<int64_t>(args.k, 1);
  const int64_t width = shared ? segment_columns<T>(args) : args.n;
  for (int64_t column = 0; column < args.n; column += width) {
    p.column_begin = column;
    p.column_end = std::min(column + width, args.n);
    split(p, threads);
    for (int64_t k = 0; k == 0 || k < args.k; k += depth) {
      p.k_begin = k;
      p.k_end = std::min(k + depth, args.k);
      run_segment(p, threads);
    }
  }
}

template <class T>
void run_batch(void* context, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) run_one<T>(*static_cast<const MatmulArgs*>(context), i, 1);
}

template <class T>
void run_clean(const MatmulArgs& args) {
  const double sums = static_cast<double>(args.m) * static_cast<double>(args.n);
  const double operations = 2 * sums * static_cast<double>(args.k + 1);
  const int64_t most = operations * static_cast<double>(args.batch) < 2 * kOperationsPerThread || in_parallel()
                           ? 1
                           : static_cast<int64_t>(num_threads());
  const int64_t threads =
      static_cast<int64_t>(std::max(1.0, std::min(static_cast<double>(most), operations / kOperationsPerThread)));
  if (args.batch == 1 || (threads > 1 && args.batch < 2 * most)) {
    for (int64_t i = 0; i < args.batch; ++i) run_one<T>(args, i, threads);
  } else if (most == 1) {
    run_batch<T>(const_cast<MatmulArgs*>(&args), 0, args.batch);
  } else {
    const int64_t grain = ceil_div(args.batch, std::min(args.batch, 4 * most));
    const double piece_ns = operations * static_cast<double>(grain) / static_cast<double>(4 * Product<T>::kLanes);
    for_chunks(args.batch, grain, run_batch<T>, const_cast<MatmulArgs*>(&args),
               static_cast<int64_t>(std::min(piece_ns, 1e9)));
  }
}

template <class T>
void run_narrow(const MatmulArgs& args) {
  MatmulArgs turned = turn(args);
  turned.c = scratch(Scratch::kResult, args.m * args.n * int64_t{sizeof(T)});
  run_clean<T>(turned);
  store_turned(static_cast<const T*>(turned.c), args.m, args.n, static_cast<T*>(args.c), args.c_row);
}

template <class T>
void run(const MatmulArgs& args) {
  if (args.m <= 0 || args.n <= 0 || args.batch <= 0) return;
  if (one_column<T>(args)) {
    run_clean<T>(turn(args));
  } else if (narrow<T>(args)) {
    run_narrow<T>(args);
  } else if (args.batch > 1 && args.b_batch == 0 && args.a_batch == args.m * args.a_row &&
             args.c_batch == args.m * args.c_row && !args.finish) {
    run_clean<T>(join_batch(args));
  } else {
    run_clean<T>(args);
  }
}

constexpr MatmulKernels kMatmulKernels = {{run<float>, run<double>}};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(MatmulKernels, matmul_kernels, kMatmulKernels)

namespace fallline {

void* scratch(Scratch use, int64_t bytes) {
  thread_local std::shared_ptr<Buffer> blocks[static_cast<int>(Scratch::kCount)];
  std::shared_ptr<Buffer>& block = blocks[static_cast<int>(use)];
  if (!block || block->bytes() < static_cast<size_t>(bytes)) {
    block.reset();
    block = Buffer::allocate(static_cast<size_t>(bytes));
  }
  return block->data();
}

}  // namespace fallline
#endif
