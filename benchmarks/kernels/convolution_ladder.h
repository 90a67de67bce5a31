// The rungs from seven loops to the library's convolution, each the whole forward pass of one layer.
#ifndef FALLLINE_BENCHMARKS_KERNELS_CONVOLUTION_LADDER_H_
#define FALLLINE_BENCHMARKS_KERNELS_CONVOLUTION_LADDER_H_

#include <cstdint>

namespace fallline {

constexpr int64_t kTaps = 5;  // each way; the filters slide by one pixel and stay inside the image

// y[n, o, i, j] = the sum over c, a, b of weight[o, c, a, b] x[n, c, i + a, j + b].
// x and y are (n, channel, row, column), row-major, or with the image number innermost: (channel, row, column, n).
struct Convolution {
  int64_t images;         // a multiple of 16
  int64_t channels;       // of x
  int64_t height, width;  // of x; the output is kTaps - 1 smaller each way, its width a multiple of 4
  int64_t filters;        // a multiple of 6 or of 4
  const float *x = nullptr, *weight = nullptr;  // the weight is row-major
  float *packed = nullptr, *y = nullptr;        // scratch of the weight's size; the result

  int64_t rows() const { return height - kTaps + 1; }
  int64_t columns() const { return width - kTaps + 1; }
};
using ConvolutionRung = void (*)(const Convolution &);

struct ConvolutionTable {
  ConvolutionRung definition, by_rows, shared_loads;         // row-major
  ConvolutionRung images_innermost, register_tiles, packed;  // image number innermost
};
const ConvolutionTable &convolution_table();

}  // namespace fallline

#endif  // FALLLINE_BENCHMARKS_KERNELS_CONVOLUTION_LADDER_H_
