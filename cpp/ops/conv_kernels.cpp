// Which pixels of which images are summed when, and by whom?
//
// A thread takes a block of images (and, where there are more threads than blocks, some of the channels), brings it
// into the lanes if it does not lie so, with zeros beside its rows, and walks over the output in tiles.
#include "ops/conv_kernels.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ops/matmul_kernels.h"
#include "simd/parallel.h"
#include "simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/conv_kernels.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

#include "ops/conv_tile-inl.h"
#include "ops/matmul_pack-inl.h"

FL_BEGIN_TARGET

template <class T>
constexpr int64_t kImages = kImageBytes / static_cast<int64_t>(sizeof(T));

constexpr int64_t ceil_div(int64_t x, int64_t y) { return (x + y - 1) / y; }

// n in pieces of at most `most` that differ by one at the most: 16 channels are 6 + 5 + 5.
struct Cut {
  int64_t count, size, longer;
  Cut(int64_t n, int64_t most)
      : count(ceil_div(n, most)), size(n / std::max<int64_t>(count, 1)), longer(n - size * count) {}
  int64_t begin(int64_t i) const { return i * size + std::min(i, longer); }
  int64_t length(int64_t i) const { return size + (i < longer); }
};

// One block of images with the image number in the lanes.
template <class T>
struct Lanes {
  const T* data;
  int64_t channel, row, pixel;  // strides
};

// Images [first, first + count) with `left` and `right` zeros beside every row, and zeros in the lanes from `count` on.
// Nothing is copied where they lie so already, side by side: pixels a power of two apart would share a few sets of the
// cache.
template <class T>
Lanes<T> to_lanes(const Images& from, int64_t first, int64_t count, int64_t left, int64_t right, Scratch use) {
  const T* data = static_cast<const T*>(from.data) + first * from.stride[0];
  if (from.stride[0] == 1 && from.stride[3] == kImages<T> && count == kImages<T> && left == 0 && right == 0) {
    return {data, from.stride[1], from.stride[2], from.stride[3]};
  }
  constexpr int64_t kPixel = kImages<T>;
  const int64_t width = left + from.w + right, row = width * kPixel, channel = from.h * row, size = from.c * channel;
  T* to = static_cast<T*>(scratch(use, std::max<int64_t>(1, size) * static_cast<int64_t>(sizeof(T))));
  if (count < kPixel) std::fill(to, to + size, T(0));
  for (int64_t c = 0; c < from.c; ++c) {
    for (int64_t h = 0; h < from.h; ++h) {
      const T* p = data + c * from.stride[1] + h * from.stride[2];
      T* at = to + c * channel + h * row;
      if (count < kPixel) {
        for (int64_t i = 0; i < count; ++i) {
          for (int64_t w = 0; w < from.w; ++w) {
            at[(left + w) * kPixel + i] = p[i * from.stride[0] + w * from.stride[3]];
          }
        }
      } else {
        std::fill(at, at + left * kPixel, T(0));
        pack(p, from.stride[0], from.stride[3], kPixel, from.w, at + left * kPixel, kPixel);
        std::fill(at + (left + from.w) * kPixel, at + row, T(0));
      }
    }
  }
  return {to + left * kPixel, channel, row, kPixel};
}

// The taps [begin, end) at which at least one of the outputs [i, i + n) meets a source.
struct Range {
  int64_t begin, end;
  Range(const Taps& t, int64_t i, int64_t n) {
    const int64_t low = -(i + n - 1) * t.step - t.offset, high = t.length - i * t.step - t.offset;
    begin = low <= 0 ? 0 : std::min(ceil_div(low, t.delta), t.taps);
    end = high <= 0 ? 0 : std::min(ceil_div(high, t.delta), t.taps);
    end = std::max(begin, end);
  }
};

// How many zeros are read beside a row.
int64_t zeros_left(const Taps& t) { return std::max<int64_t>(0, -t.offset); }
int64_t zeros_right(const Taps& t) {
  return std::max<int64_t>(0, (t.count - 1) * t.step + t.offset + (t.taps - 1) * t.delta - (t.length - 1));
}

template <class T>
struct CorrelationRun {
  const Correlation& job;
  const T* weight;  // packed: [tile][channels][rows][columns][channels of the tile]
  Cut tiles;        // of a group's output channels
  int64_t parts;    // of a block's tiles
  int64_t in, out;  // channels of a group

  void run_part(int64_t block, int64_t part) const;
  void run_tile(const Lanes<T>& from, int64_t image, int64_t count, int64_t group, int64_t tile) const;
};

template <class T>
void pack_weight(const Correlation& job, const Cut& tiles, int64_t in, T* to) {
  const T* from = static_cast<const T*>(job.weight);
  for (int64_t group = 0; group < job.groups; ++group) {
    for (int64_t tile = 0; tile < tiles.count; ++tile) {
      for (int64_t c = 0; c < in; ++c) {
        for (int64_t a = 0; a < job.rows.taps; ++a) {
          for (int64_t b = 0; b < job.columns.taps; ++b) {
            const T* p = from + group * job.weight_group + tiles.begin(tile) * job.weight_stride[0] +
                         c * job.weight_stride[1] + (job.rows.index + a * job.rows.index_delta) * job.weight_stride[2] +
                         (job.columns.index + b * job.columns.index_delta) * job.weight_stride[3];
            for (int64_t o = 0; o < tiles.length(tile); ++o) *to++ = p[o * job.weight_stride[0]];
          }
        }
      }
    }
  }
}

template <class T>
void CorrelationRun<T>::run_tile(const Lanes<T>& from, int64_t image, int64_t count, int64_t group,
                                 int64_t tile) const {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  constexpr std::make_integer_sequence<int, kTileChannels * kTilePixels> kCases{};
  const Taps &rows = job.rows, &columns = job.columns;
  const int64_t o = group * out + tiles.begin(tile), channels = tiles.length(tile);
  PixelTile<T> t;
  t.channels = in;
  t.channel_stride = from.channel;
  t.row_stride = rows.delta * from.row;
  t.column_stride = columns.delta * from.pixel;
  t.pixel_stride = columns.step * from.pixel;
  t.weight_row = columns.taps * channels;
  t.weight_channel = rows.taps * t.weight_row;
  t.bias = job.bias ? static_cast<const T*>(job.bias) + o : nullptr;
  t.to_channel = job.to.stride[1];
  t.to_pixel = columns.stride * job.to.stride[3];
  const T* packed = weight + (group * out + tiles.begin(tile)) * in * rows.taps * columns.taps;
  const T* source = from.data + group * in * from.channel;
  T* target = static_cast<T*>(job.to.data) + image + o * job.to.stride[1];
  const Cut pixels(columns.count, kTilePixels);
  for (int64_t i = 0; i < rows.count; ++i) {
    const Range up(rows, i, 1);
    t.rows = up.end - up.begin;
    const T* row = source + (i * rows.step + rows.offset + up.begin * rows.delta) * from.row;
    T* to_row = target + (rows.first + i * rows.stride) * job.to.stride[2];
    for (int64_t p = 0; p < pixels.count; ++p) {
      const int64_t j = pixels.begin(p), n = pixels.length(p);
      const Range across(columns, j, n);
      t.columns = across.end - across.begin;
      const T* first = row + (j * columns.step + columns.offset + across.begin * columns.delta) * from.pixel;
      T* to = to_row + (columns.first + j * columns.stride) * job.to.stride[3];
      t.weight = packed + up.begin * t.weight_row + across.begin * channels;
      const auto sum = choose_pixels<T>(static_cast<int>(channels), static_cast<int>(n), kCases);
      for (int64_t lane = 0; lane < count; lane += kLanes) {
        t.from = first + lane;
        t.to = to + lane;
        t.lanes = static_cast<size_t>(std::min(kLanes, count - lane));
        sum(t);
      }
    }
  }
}

template <class T>
void CorrelationRun<T>::run_part(int64_t block, int64_t part) const {
  const int64_t image = block * kImages<T>, count = std::min(kImages<T>, job.to.n - image);
  const Lanes<T> from =
      to_lanes<T>(job.from, image, count, zeros_left(job.columns), zeros_right(job.columns), Scratch::kLeft);
  const int64_t all = tiles.count * job.groups;
  for (int64_t i = all * part / parts; i < all * (part + 1) / parts; ++i) {
    run_tile(from, image, count, i / tiles.count, i % tiles.count);
  }
}

template <class T>
void run_parts(void* context, int64_t begin, int64_t end) {
  const CorrelationRun<T>& run = *static_cast<const CorrelationRun<T>*>(context);
  for (int64_t i = begin; i < end; ++i) run.run_part(i / run.parts, i % run.parts);
}

template <class T>
void correlate(const Correlation& job) {
  const int64_t in = job.from.c / job.groups, out = job.to.c / job.groups;
  const Cut tiles(out, kTileChannels);
  const int64_t products = job.to.c * in * job.rows.taps * job.columns.taps;
  T* weight =
      static_cast<T*>(scratch(Scratch::kRight, std::max<int64_t>(1, products) * static_cast<int64_t>(sizeof(T))));
  pack_weight(job, tiles, in, weight);
  const int64_t blocks = ceil_div(job.to.n, kImages<T>);
  const int64_t parts = std::min(ceil_div(num_threads(), blocks), tiles.count * job.groups);
  CorrelationRun<T> run{job, weight, tiles, parts, in, out};
  const int64_t piece_ns = products * job.rows.count * job.columns.count / parts / 2;
  for_chunks(blocks * parts, 1, run_parts<T>, &run, piece_ns);
}

// ----- the derivative by the weight -----

constexpr int64_t kChunks = 8;  // of the images, summed one after the other at the end

template <class T>
struct WeightRun {
  const WeightGradient& job;
  T* partial;  // [chunk][o][kh][c / groups][kw]: what is summed in one tile lies side by side
  int64_t blocks, chunks, in, out, weights;
  Taps rows, columns;

  void run_chunk(int64_t chunk) const;
  void add_block(const Lanes<T>& g, const Lanes<T>& x, T* sums) const;
};

// The tile's sums += what one group of its taps gives, lane by lane.
template <class T>
void add_group(TapTile<T>& t, int channels, int taps) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  constexpr std::make_integer_sequence<int, kTileGradients * kTileTaps> kCases{};
  const auto add = choose_taps<T>(channels, taps, kCases);
  for (int64_t lane = 0; lane < kImages<T>; lane += kLanes) {
    add(t);
    for (int i = 0; i < taps; ++i) t.x[i] += kLanes;
    t.g += kLanes;
    t.sums += kLanes;
  }
}

// sums += what one block gives.
template <class T>
void WeightRun<T>::add_block(const Lanes<T>& g, const Lanes<T>& x, T* sums) const {
  const Cut tiles(out, kTileGradients), groups(in * job.kw, kTileTaps);
  TapTile<T> t;
  t.g_channel = g.channel;
  t.g_row = g.row;
  t.g_pixel = g.pixel;
  t.x_row = rows.step * x.row;
  t.x_pixel = columns.step * x.pixel;
  t.columns = columns.count;
  t.sums_channel = in * job.kh * job.kw * kImages<T>;
  for (int64_t i = 0; i < job.groups * tiles.count * job.kh; ++i) {
    const int64_t a = i % job.kh, tile = i / job.kh % tiles.count, group = i / job.kh / tiles.count;
    const int64_t o = group * out + tiles.begin(tile);
    // The rows of g whose tap a lies in the image.
    const int64_t offset = rows.offset + a * rows.delta;
    const int64_t begin = offset >= 0 ? 0 : std::min(ceil_div(-offset, rows.step), rows.count);
    const int64_t end = rows.length <= offset ? 0 : std::min(ceil_div(rows.length - offset, rows.step), rows.count);
    if (begin >= end) continue;
    t.rows = end - begin;
    const T* row = x.data + group * in * x.channel + (begin * rows.step + offset) * x.row;
    for (int64_t k = 0; k < groups.count; ++k) {
      for (int64_t n = 0; n < groups.length(k); ++n) {
        const int64_t tap = groups.begin(k) + n, c = tap / job.kw, b = tap % job.kw;
        t.x[n] = row + c * x.channel + (columns.offset + b * columns.delta) * x.pixel;
      }
      t.g = g.data + o * g.channel + begin * g.row;
      t.sums = sums + ((o * job.kh + a) * in * job.kw + groups.begin(k)) * kImages<T>;
      add_group(t, static_cast<int>(tiles.length(tile)), static_cast<int>(groups.length(k)));
    }
  }
}

// out[i] = the sum of block i's lanes, halves first.
template <class T>
void add_lanes(const T* sums, int64_t n, T* out) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes), kSize = kImages<T>;
  T turned[kSize * kLanes];
  for (int64_t i = 0; i < n; i += kLanes) {
    const int64_t count = std::min(kLanes, n - i);
    pack(sums + i * kSize, kSize, 1, count, kSize, turned, kLanes);
    for (int64_t half = kSize / 2; half > 0; half /= 2) {
      for (int64_t j = 0; j < half; ++j) {
        (Pack<T>::load(turned + j * kLanes) + Pack<T>::load(turned + (j + half) * kLanes)).store(turned + j * kLanes);
      }
    }
    Pack<T>::load(turned).store_n(out + i, static_cast<size_t>(count));
  }
}

template <class T>
void WeightRun<T>::run_chunk(int64_t chunk) const {
  const int64_t size = weights * kImages<T>;
  T* sums = static_cast<T*>(scratch(Scratch::kResult, std::max<int64_t>(1, size) * static_cast<int64_t>(sizeof(T))));
  std::fill(sums, sums + size, T(0));
  for (int64_t block = blocks * chunk / chunks; block < blocks * (chunk + 1) / chunks; ++block) {
    const int64_t image = block * kImages<T>, count = std::min(kImages<T>, job.g.n - image);
    const Lanes<T> x = to_lanes<T>(job.x, image, count, zeros_left(columns), zeros_right(columns), Scratch::kLeft);
    const Lanes<T> g = to_lanes<T>(job.g, image, count, 0, 0, Scratch::kGradient);
    add_block(g, x, sums);
  }
  add_lanes(sums, weights, partial + chunk * weights);
}

template <class T>
void run_chunks(void* context, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; ++i) static_cast<const WeightRun<T>*>(context)->run_chunk(i);
}

template <class T>
void weight_gradient(const WeightGradient& job) {
  WeightRun<T> run{job, nullptr, ceil_div(job.g.n, kImages<T>), 0, job.x.c / job.groups, job.g.c / job.groups, 0,
                   {},  {}};
  run.chunks = std::min(run.blocks, kChunks);
  run.weights = job.g.c * run.in * job.kh * job.kw;
  run.rows = {0, 1, job.g.h, job.stride[0], job.x.h, job.kh, -job.padding[0], job.dilation[0], 0, 1};
  run.columns = {0, 1, job.g.w, job.stride[1], job.x.w, job.kw, -job.padding[1], job.dilation[1], 0, 1};
  run.partial = static_cast<T*>(
      scratch(Scratch::kRight, std::max<int64_t>(1, run.chunks * run.weights) * static_cast<int64_t>(sizeof(T))));
  const int64_t piece_ns = run.weights * job.g.h * job.g.w * ceil_div(run.blocks, run.chunks) / 2;
  for_chunks(run.chunks, 1, run_chunks<T>, &run, piece_ns);
  for (int64_t chunk = 1; chunk < run.chunks; ++chunk) {
    const T* part = run.partial + chunk * run.weights;
    for (int64_t i = 0; i < run.weights; ++i) run.partial[i] += part[i];
  }
  T* out = static_cast<T*>(job.out);
  const T* from = run.partial;
  for (int64_t o = 0; o < job.g.c; ++o) {
    for (int64_t a = 0; a < job.kh; ++a) {
      for (int64_t c = 0; c < run.in; ++c) {
        for (int64_t b = 0; b < job.kw; ++b) out[((o * run.in + c) * job.kh + a) * job.kw + b] = *from++;
      }
    }
  }
}

constexpr ConvKernels kConvKernels = {{correlate<float>, correlate<double>},
                                      {weight_gradient<float>, weight_gradient<double>}};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(ConvKernels, conv_kernels, kConvKernels)
#endif
