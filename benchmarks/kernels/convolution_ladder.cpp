// How does a convolution become fast?  One rung per idea, for LeNet's two layers and 32 images, each checked against
// the first and timed on the active target with one thread: convolution_ladder
#include "kernels/convolution_ladder.h"

#include <algorithm>

#include "kernels/ladder.h"
#include "ops/conv.h"
#include "simd/unroll.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/convolution_ladder.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

FL_BEGIN_TARGET

#if FL_REFERENCE_PASS || HWY_TARGET == HWY_SSE4 || HWY_TARGET == HWY_AVX2
constexpr int kPixelsAtOnce = 2;  // 6 x 2 sums leave room for the factors among 16 registers
#else
constexpr int kPixelsAtOnce = 4;
#endif

// One pixel of one filter, both row-major.
inline float pixel(const Convolution& t, const float* x, const float* weight) {
  float sum = 0;
  for (int64_t c = 0; c < t.channels; ++c) {
    for (int64_t a = 0; a < kTaps; ++a) {
      for (int64_t b = 0; b < kTaps; ++b) {
        sum += weight[(c * kTaps + a) * kTaps + b] * x[(c * t.height + a) * t.width + b];
      }
    }
  }
  return sum;
}

// 1. The definition. One number at a time, and each sum waits for the one before it: no instruction works on two.
inline void definition(const Convolution& t) {
  float* y = t.y;
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t o = 0; o < t.filters; ++o) {
      for (int64_t i = 0; i < t.rows(); ++i) {
        for (int64_t j = 0; j < t.columns(); ++j) {
          *y++ =
              pixel(t, t.x + (n * t.channels * t.height + i) * t.width + j, t.weight + o * t.channels * kTaps * kTaps);
        }
      }
    }
  }
}

// y[0, n) += weight x[0, n)
inline void add_row(float weight, const float* x, int64_t n, float* y) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes);
  const Pack<float> w = weight;
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) fma(w, Pack<float>::load(x + j), Pack<float>::load(y + j)).store(y + j);
  if (j == n) return;
  const auto rest = static_cast<size_t>(n - j);
  fma(w, Pack<float>::load_n(x + j, rest), Pack<float>::load_n(y + j, rest)).store_n(y + j, rest);
}

// 2. Loops exchanged: the inner one runs along a row of output pixels, a register at a time. A row of 8 or 24 pixels
// fills registers of 16 by half or three quarters, and every fma loads and stores y: a load that waits for a masked
// store waits long.
inline void by_rows(const Convolution& t) {
  std::fill(t.y, t.y + t.images * t.filters * t.rows() * t.columns(), 0.0f);
  float* y = t.y;
  for (int64_t n = 0; n < t.images; ++n) {
    const float* weight = t.weight;
    for (int64_t o = 0; o < t.filters; ++o, y += t.rows() * t.columns()) {
      for (int64_t c = 0; c < t.channels; ++c) {
        for (int64_t tap = 0; tap < kTaps * kTaps; ++tap, ++weight) {
          const float* x = t.x + ((n * t.channels + c) * t.height + tap / kTaps) * t.width + tap % kTaps;
          for (int64_t i = 0; i < t.rows(); ++i) add_row(*weight, x + i * t.width, t.columns(), y + i * t.columns());
        }
      }
    }
  }
}

// What the tiles below sum: strides in floats.
struct Tile {
  const float *x, *weight;
  float* y;
  int64_t x_channel, x_row, x_column, weight_filter, weight_tap, y_filter, y_column;
};

// A few filters times a few pixels; `lanes` of each register count. All sums stay in registers through all taps.
template <int kFilters, int kPixels>
inline void sum_tile(const Tile& t, int64_t channels, size_t lanes) {
  constexpr size_t kLanes = Pack<float>::kLanes;
  Pack<float> sum[kFilters][kPixels];
  FL_UNROLL
  for (int o = 0; o < kFilters; ++o) {
    FL_UNROLL
    for (int p = 0; p < kPixels; ++p) sum[o][p] = 0.0f;
  }
  const float* weight = t.weight;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t a = 0; a < kTaps; ++a) {
      const float* row = t.x + c * t.x_channel + a * t.x_row;
      for (int64_t b = 0; b < kTaps; ++b, weight += t.weight_tap, row += t.x_column) {
        Pack<float> x[kPixels];
        FL_UNROLL
        for (int p = 0; p < kPixels; ++p) {
          const float* from = row + p * t.x_column;
          x[p] = lanes == kLanes ? Pack<float>::load(from) : Pack<float>::load_n(from, lanes);
        }
        FL_UNROLL
        for (int o = 0; o < kFilters; ++o) {
          const Pack<float> w = weight[o * t.weight_filter];
          FL_UNROLL
          for (int p = 0; p < kPixels; ++p) sum[o][p] = fma(w, x[p], sum[o][p]);
        }
      }
    }
  }
  FL_UNROLL
  for (int o = 0; o < kFilters; ++o) {
    FL_UNROLL
    for (int p = 0; p < kPixels; ++p) sum[o][p].store_n(t.y + o * t.y_filter + p * t.y_column, lanes);
  }
}

template <int kFilters>
inline void rows_of_filters(const Convolution& t) {
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<float>::kLanes), kSize = kTaps * kTaps;
  const int64_t x_channel = t.height * t.width, y_filter = t.rows() * t.columns();
  for (int64_t n = 0; n < t.images; ++n) {
    for (int64_t o = 0; o < t.filters; o += kFilters) {
      const float* weight = t.weight + o * t.channels * kSize;
      for (int64_t i = 0; i < t.rows(); ++i) {
        for (int64_t j = 0; j < t.columns(); j += kLanes) {
          const float* x = t.x + n * t.channels * x_channel + i * t.width + j;
          float* y = t.y + (n * t.filters + o) * y_filter + i * t.columns() + j;
          const Tile tile = {x, weight, y, x_channel, t.width, 1, t.channels * kSize, 1, y_filter, 1};
          sum_tile<kFilters, 1>(tile, t.channels, static_cast<size_t>(std::min(kLanes, t.columns() - j)));
        }
      }
    }
  }
}

// 3. The same registers of pixels, for six or eight filters at once: y is no longer read or written in the inner loop,
// every load of x serves all of them, and so many independent sums hide the latency of the fma.
inline void shared_loads(const Convolution& t) { t.filters % 6 == 0 ? rows_of_filters<6>(t) : rows_of_filters<8>(t); }

template <int kFilters, int kPixels>
inline void columns_of_images(const Convolution& t, const float* weight, int64_t weight_filter, int64_t weight_tap) {
  const int64_t x_row = t.width * t.images, y_filter = t.rows() * t.columns() * t.images;
  for (int64_t n = 0; n < t.images; n += static_cast<int64_t>(Pack<float>::kLanes)) {
    for (int64_t o = 0; o < t.filters; o += kFilters) {
      for (int64_t i = 0; i < t.rows(); ++i) {
        for (int64_t j = 0; j < t.columns(); j += kPixels) {
          const float* x = t.x + i * x_row + j * t.images + n;
          float* y = t.y + o * y_filter + (i * t.columns() + j) * t.images + n;
          const Tile tile = {x,
                             weight + o * weight_filter,
                             y,
                             t.height * x_row,
                             x_row,
                             t.images,
                             weight_filter,
                             weight_tap,
                             y_filter,
                             t.images};
          sum_tile<kFilters, kPixels>(tile, t.channels, Pack<float>::kLanes);
        }
      }
    }
  }
}

// 4. The image number innermost: the lanes are images, so that every register is full whatever the width of a row, and
// a pixel's neighbour is another register instead of a load across two cache lines.
inline void images_innermost(const Convolution& t) {
  const int64_t size = t.channels * kTaps * kTaps;
  t.filters % 6 == 0 ? columns_of_images<6, 1>(t, t.weight, size, 1) : columns_of_images<8, 1>(t, t.weight, size, 1);
}

// 5. Filters times pixels: each weight, once in a register, serves several pixels too, so there are fewer loads than
// multiplications.
inline void register_tiles(const Convolution& t) {
  constexpr int kPixels = kPixelsAtOnce;
  const int64_t size = t.channels * kTaps * kTaps;
  t.filters % 6 == 0 ? columns_of_images<6, kPixels>(t, t.weight, size, 1)
                     : columns_of_images<4, kPixels>(t, t.weight, size, 1);
}

// 6. The weights copied first, those of one tap side by side: fewer cache lines at a time. These few lie in the nearest
// cache anyway, and the copy costs.
inline void packed(const Convolution& t) {
  const int64_t size = t.channels * kTaps * kTaps;
  for (int64_t k = 0; k < size; ++k) {
    for (int64_t o = 0; o < t.filters; ++o) t.packed[k * t.filters + o] = t.weight[o * size + k];
  }
  t.filters % 6 == 0 ? columns_of_images<6, kPixelsAtOnce>(t, t.packed, 1, t.filters)
                     : columns_of_images<4, kPixelsAtOnce>(t, t.packed, 1, t.filters);
}

constexpr ConvolutionTable kConvolutionTable = {definition,       by_rows,        shared_loads,
                                                images_innermost, register_tiles, packed};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(ConvolutionTable, convolution_table, kConvolutionTable)

namespace fallline {
namespace {

Array view_of(const float* data, const Dims& shape, bool row_major) {
  Array array = Array::placeholder(shape, DType::kFloat32);
  array.data = reinterpret_cast<std::byte*>(const_cast<float*>(data));
  if (!row_major) array.strides = image_strides(shape);
  return array;
}

// 7. The library: tiles of six filters and four pixels. Blocks of sixteen images are copied together first, so that a
// pixel is one cache line next to the other. 8. It turns row-major images on the way, which costs no more.
template <bool kRowMajor>
void library(const Convolution& t) {
  const Array x = view_of(t.x, {t.images, t.channels, t.height, t.width}, kRowMajor);
  const Array y = view_of(t.y, {t.images, t.filters, t.rows(), t.columns()}, false);
  conv2d(x, view_of(t.weight, {t.filters, t.channels, kTaps, kTaps}, true), nullptr, Slide(), y);
}

// (n, rest) as (rest, n)
Floats turned(const Floats& from, size_t n) {
  Floats to(from.size());
  const size_t rest = from.size() / n;
  for (size_t i = 0; i < from.size(); ++i) to[i % rest * n + i / rest] = from[i];
  return to;
}

bool climb_convolution(const char* name, Convolution t) {
  const auto images = static_cast<size_t>(t.images);
  const auto sums = static_cast<size_t>(t.images * t.filters * t.rows() * t.columns());
  const auto products = static_cast<size_t>(t.channels * kTaps * kTaps);
  const Floats x = scattered(static_cast<size_t>(t.images * t.channels * t.height * t.width), -0.5f);
  const Floats x_turned = turned(x, images);
  const Floats weight = scattered(static_cast<size_t>(t.filters) * products, -0.25f);
  Floats packed(weight.size()), y(sums);
  t.x = x.data(), t.weight = weight.data(), t.packed = packed.data(), t.y = y.data();
  const ConvolutionTable& rungs = convolution_table();
  rungs.definition(t);
  const Floats truth = y, truth_turned = turned(y, images);
  const struct {
    const char* name;
    ConvolutionRung run;
    bool x_row_major, y_row_major;
  } steps[] = {{"1. definition", rungs.definition, true, true},
               {"2. by rows", rungs.by_rows, true, true},
               {"3. filters share loads", rungs.shared_loads, true, true},
               {"4. images innermost", rungs.images_innermost, false, false},
               {"5. register tiles", rungs.register_tiles, false, false},
               {"6. packed weights", rungs.packed, false, false},
               {"7. library", library<false>, false, false},
               {"8. library, from row-major", library<true>, true, false}};
  const Ladder ladder = {name, 2.0 * static_cast<double>(sums * products), "GFLOP/s", peak_float, 1e-5};
  bool right = true;
  begin(ladder);
  for (const auto& step : steps) {
    std::fill(y.begin(), y.end(), 0.0f);
    t.x = step.x_row_major ? x.data() : x_turned.data();
    const auto difference = [&] { return largest_difference(y, step.y_row_major ? truth : truth_turned); };
    right = climb(
                ladder, step.name, [&] { step.run(t); }, difference) &&
            right;
  }
  return right;
}

}  // namespace
}  // namespace fallline

int main() {
  fallline::begin_ladders();
  const bool first = fallline::climb_convolution("1 -> 6 channels, 28 x 28", {32, 1, 28, 28, 6});
  const bool second = fallline::climb_convolution("6 -> 16 channels, 12 x 12", {32, 6, 12, 12, 16});
  return first && second ? 0 : 1;
}
#endif
