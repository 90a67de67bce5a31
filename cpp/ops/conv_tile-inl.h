// The innermost loops of convolutions: a few channels times a few pixels or taps, all sums in registers.
// Per-target; included once per pass by conv_kernels.cpp alone.

FL_BEGIN_TARGET

#if FL_REFERENCE_PASS
constexpr int kTileChannels = 4, kTilePixels = 4, kTileGradients = 4, kTileTaps = 5;
#elif HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SSE4
constexpr int kTileChannels = 6, kTilePixels = 2, kTileGradients = 2, kTileTaps = 5;
#else
constexpr int kTileChannels = 6, kTilePixels = 4, kTileGradients = 4, kTileTaps = 5;
#endif

// to[o][p] = bias[o] + sum over channels, rows and columns; the register is one of the block's.
template <class T>
struct PixelTile {
  const T* from;  // of the first channel, row, column and pixel
  int64_t channels, channel_stride, rows, row_stride, columns, column_stride, pixel_stride;
  const T* weight;  // [channels][..][..][kChannels], packed
  int64_t weight_channel, weight_row;
  const T* bias;
  T* to;
  int64_t to_channel, to_pixel;
  size_t lanes;  // that count, at most one register's
};

template <class T, int kChannels, int kPixels>
void sum_pixels(const PixelTile<T>& t) {
  Pack<T> sum[kChannels][kPixels];
  FL_UNROLL
  for (int o = 0; o < kChannels; ++o) {
    const Pack<T> start(t.bias ? t.bias[o] : T(0));
    FL_UNROLL
    for (int p = 0; p < kPixels; ++p) sum[o][p] = start;
  }
  const int64_t pixel_stride = t.pixel_stride;
  for (int64_t c = 0; c < t.channels; ++c) {
    for (int64_t a = 0; a < t.rows; ++a) {
      const T* from = t.from + c * t.channel_stride + a * t.row_stride;
      const T* weight = t.weight + c * t.weight_channel + a * t.weight_row;
      for (int64_t b = t.columns; b > 0; --b) {
        Pack<T> x[kPixels];
        FL_UNROLL
        for (int p = 0; p < kPixels; ++p) x[p] = Pack<T>::load(from + p * pixel_stride);
        FL_UNROLL
        for (int o = 0; o < kChannels; ++o) {
          const Pack<T> w(weight[o]);
          FL_UNROLL
          for (int p = 0; p < kPixels; ++p) sum[o][p] = fma(w, x[p], sum[o][p]);
        }
        from += t.column_stride;
        weight += kChannels;
      }
    }
  }
  FL_UNROLL
  for (int o = 0; o < kChannels; ++o) {
    FL_UNROLL
    for (int p = 0; p < kPixels; ++p) {
      T* to = t.to + o * t.to_channel + p * t.to_pixel;
      if (t.lanes == Pack<T>::kLanes) {
        sum[o][p].store(to);
      } else {
        sum[o][p].store_n(to, t.lanes);
      }
    }
  }
}

// sums[o][tap] += the sum over rows and columns of g[o] x[tap], lane by lane.
template <class T>
struct TapTile {
  const T* g;
  int64_t g_channel, g_row, g_pixel;
  const T* x[kTileTaps];
  int64_t x_row, x_pixel;
  int64_t rows, columns;
  T* sums;
  int64_t sums_channel;  // from tap to tap: one block
};

template <class T, int kChannels, int kTaps>
void sum_taps(const TapTile<T>& t) {
  constexpr int64_t kBlock = kImageBytes / static_cast<int64_t>(sizeof(T));
  Pack<T> sum[kChannels][kTaps];
  FL_UNROLL
  for (int o = 0; o < kChannels; ++o) {
    FL_UNROLL
    for (int k = 0; k < kTaps; ++k) sum[o][k] = Pack<T>::load(t.sums + o * t.sums_channel + k * kBlock);
  }
  const int64_t g_channel = t.g_channel, g_pixel = t.g_pixel, x_pixel = t.x_pixel;
  for (int64_t row = 0; row < t.rows; ++row) {
    const T* from = t.g + row * t.g_row;
    const T* x[kTaps];
    FL_UNROLL
    for (int k = 0; k < kTaps; ++k) x[k] = t.x[k] + row * t.x_row;
    for (int64_t column = t.columns; column > 0; --column) {
      Pack<T> g[kChannels];
      FL_UNROLL
      for (int o = 0; o < kChannels; ++o) g[o] = Pack<T>::load(from + o * g_channel);
      FL_UNROLL
      for (int k = 0; k < kTaps; ++k) {
        const Pack<T> pixel = Pack<T>::load(x[k]);
        FL_UNROLL
        for (int o = 0; o < kChannels; ++o) sum[o][k] = fma(g[o], pixel, sum[o][k]);
        x[k] += x_pixel;
      }
      from += g_pixel;
    }
  }
  FL_UNROLL
  for (int o = 0; o < kChannels; ++o) {
    FL_UNROLL
    for (int k = 0; k < kTaps; ++k) sum[o][k].store(t.sums + o * t.sums_channel + k * kBlock);
  }
}

template <class T>
using PixelFunction = void (*)(const PixelTile<T>&);
template <class T>
using TapFunction = void (*)(const TapTile<T>&);

template <class T, int... kCase>
PixelFunction<T> choose_pixels(int channels, int pixels, std::integer_sequence<int, kCase...>) {
  static constexpr PixelFunction<T> kTable[] = {sum_pixels<T, kCase / kTilePixels + 1, kCase % kTilePixels + 1>...};
  return kTable[(channels - 1) * kTilePixels + pixels - 1];
}
template <class T, int... kCase>
TapFunction<T> choose_taps(int channels, int taps, std::integer_sequence<int, kCase...>) {
  static constexpr TapFunction<T> kTable[] = {sum_taps<T, kCase / kTileTaps + 1, kCase % kTileTaps + 1>...};
  return kTable[(channels - 1) * kTileTaps + taps - 1];
}

FL_END_TARGET
