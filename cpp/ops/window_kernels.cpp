// Windows for every SIMD target. A thread takes a channel of many images; sums have one order: rows, columns.
#include "ops/window_kernels.h"

#include <algorithm>
#include <cmath>

#include "simd/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/window_kernels.cpp"
#include "simd/each_target.h"
#include "simd/pack-inl.h"

#include "ops/matmul_pack-inl.h"

FL_BEGIN_TARGET

#include "simd/math.inc.h"
#include "ops/unary.inc.h"

// What is done to a pixel as it is read, and to a gradient that goes back to the pixel that became y.
struct AsItIs {
  template <class X>
  static FL_FN X read(X x) {
    return x;
  }
  template <class X>
  static FL_FN X pull(X g, X) {
    return g;
  }
};
struct Rectified {
  template <class X>
  static FL_FN X read(X x) {
    return Relu::f(x);
  }
  template <class X>
  static FL_FN X pull(X g, X y) {
    return g * Relu::df(y, y);
  }
};

// The part of one window that lies in its image; offsets count elements.
struct WindowPart {
  int64_t first, rows, columns, row_step, column_step;
};

// What is done for some lanes of one window; kSide is its height and width where both are known to be that, or 0.
template <class T, int kSide>
struct WindowLanes {
  const WindowPart& part;
  size_t lanes;
  double scale;
  bool apart;  // each pixel is written once at most; else it is zero before

  int64_t rows() const { return kSide ? kSide : part.rows; }
  int64_t columns() const { return kSide ? kSide : part.columns; }
  template <class P>
  P* at(P* image, int64_t a, int64_t b) const {
    return image + part.first + a * part.row_step + b * part.column_step;
  }
  FL_FN Pack<T> load(const T* p) const {
    return lanes == Pack<T>::kLanes ? Pack<T>::load(p) : Pack<T>::load_n(p, lanes);
  }
  FL_FN void store(Pack<T> x, T* p) const {
    if (lanes == Pack<T>::kLanes) {
      x.store(p);
    } else {
      x.store_n(p, lanes);
    }
  }

  // Adds to a pixel of the output.
  FL_FN void add(Pack<T> x, T* p) const { store(apart ? x : load(p) + x, p); }

  // The largest element and its number in the part.
  template <class Read>
  FL_FN Pack<T> largest(const T* x, Pack<T>& index) const {
    Pack<T> best(T(-HUGE_VAL));
    index = Pack<T>(T(0));
    int k = 0;
    for (int64_t a = 0; a < rows(); ++a) {
      for (int64_t b = 0; b < columns(); ++b, ++k) {
        const Pack<T> here = Read::read(load(at(x, a, b)));
        const Mask<T> larger = (here > best) | (here != here);
        best = select(larger, here, best);
        index = select(larger, Pack<T>(static_cast<T>(k)), index);
      }
    }
    return best;
  }
};

// images, windows: the pointers of this channel and of these lanes; `pixel` is the offset of the window.
template <class T, class Read>
struct MaxWindow {
  template <int kSide>
  static FL_FN void run(const WindowLanes<T, kSide>& w, const T* x, const T*, T* out, int64_t pixel) {
    Pack<T> best(T(-HUGE_VAL));
    for (int64_t a = 0; a < w.rows(); ++a) {
      for (int64_t b = 0; b < w.columns(); ++b) {
        const Pack<T> here = Read::read(w.load(w.at(x, a, b)));
        best = select((here > best) | (here != here), here, best);
      }
    }
    w.store(best, out + pixel);
  }
};
template <class T, class Read>
struct MaxInput {
  template <int kSide>
  static FL_FN void run(const WindowLanes<T, kSide>& w, const T* x, const T* g, T* out, int64_t pixel) {
    Pack<T> index;
    const Pack<T> y = w.template largest<Read>(x, index);
    const Pack<T> gradient = Read::pull(w.load(g + pixel), y), zero(T(0));
    int k = 0;
    for (int64_t a = 0; a < w.rows(); ++a) {
      for (int64_t b = 0; b < w.columns(); ++b, ++k) {
        w.add(select(index == Pack<T>(static_cast<T>(k)), gradient, zero), w.at(out, a, b));
      }
    }
  }
};
template <class T>
struct MaxPick {
  template <int kSide>
  static FL_FN void run(const WindowLanes<T, kSide>& w, const T* x, const T* v, T* out, int64_t pixel) {
    Pack<T> index, picked(T(0));
    w.template largest<AsItIs>(x, index);
    int k = 0;
    for (int64_t a = 0; a < w.rows(); ++a) {
      for (int64_t b = 0; b < w.columns(); ++b, ++k) {
        picked = select(index == Pack<T>(static_cast<T>(k)), w.load(w.at(v, a, b)), picked);
      }
    }
    w.store(picked, out + pixel);
  }
};
template <class T>
struct MeanWindow {
  template <int kSide>
  static FL_FN void run(const WindowLanes<T, kSide>& w, const T* x, const T*, T* out, int64_t pixel) {
    Pack<T> sum(T(0));
    for (int64_t a = 0; a < w.rows(); ++a) {
      for (int64_t b = 0; b < w.columns(); ++b) sum = sum + w.load(w.at(x, a, b));
    }
    w.store(sum * Pack<T>(static_cast<T>(w.scale)), out + pixel);
  }
};
template <class T>
struct MeanInput {
  template <int kSide>
  static FL_FN void run(const WindowLanes<T, kSide>& w, const T*, const T* g, T* out, int64_t pixel) {
    const Pack<T> part = w.load(g + pixel) * Pack<T>(static_cast<T>(w.scale));
    for (int64_t a = 0; a < w.rows(); ++a) {
      for (int64_t b = 0; b < w.columns(); ++b) w.add(part, w.at(out, a, b));
    }
  }
};

template <class T>
using PlainMax = MaxWindow<T, AsItIs>;
template <class T>
using PlainMaxInput = MaxInput<T, AsItIs>;
template <class T>
using ReluMax = MaxWindow<T, Rectified>;
template <class T>
using ReluMaxInput = MaxInput<T, Rectified>;

// The images of a piece: all of them, for they lie side by side and runs of memory are best not cut, unless too few
// channels leave threads without work.
inline int64_t images_of_piece(const WindowJob& job) {
  constexpr int64_t kLeast = 64;
  int64_t images = job.n;
  while (images > kLeast && job.c * ((job.n + images - 1) / images) < 2 * num_threads()) images = (images + 1) / 2;
  return images;
}

// Does x, v or out of an operation have a row for every window, or one for every pixel?
enum class Per { kWindow, kPixel };

template <class T, template <class> class Operation, Per kV, Per kOut>
struct WindowRun {
  const WindowJob& job;
  int64_t images;  // of a piece

  static void pieces(void* context, int64_t begin, int64_t end) {
    const WindowRun& self = *static_cast<const WindowRun*>(context);
    for (int64_t i = begin; i < end; ++i) piece(self.job, i % self.job.c, i / self.job.c * self.images, self.images);
  }

  static void piece(const WindowJob& job, int64_t channel, int64_t image, int64_t most) {
    const Window& window = job.window;
    const int64_t pixels = channel * job.h * job.w * job.n, windows = channel * job.oh * job.ow * job.n;
    const T* x = static_cast<const T*>(job.x) + (job.x ? pixels : 0);
    const T* v = static_cast<const T*>(job.v) + (job.v ? (kV == Per::kPixel ? pixels : windows) : 0);
    T* out = static_cast<T*>(job.out) + (kOut == Per::kPixel ? pixels : windows);
    const int64_t images = std::min(most, job.n - image);
    if (kOut == Per::kPixel && !(job.apart && job.covers)) {
      for (int64_t pixel = 0; pixel < job.h * job.w; ++pixel) std::fill_n(out + pixel * job.n + image, images, T(0));
    }
    for (int64_t i = 0; i < job.oh; ++i) {
      const int64_t top = i * window.stride[0] - window.padding[0], row = std::max<int64_t>(top, 0);
      for (int64_t j = 0; j < job.ow; ++j) {
        const int64_t left = j * window.stride[1] - window.padding[1], column = std::max<int64_t>(left, 0);
        const WindowPart part{(row * job.w + column) * job.n, std::min(top + window.size[0], job.h) - row,
                              std::min(left + window.size[1], job.w) - column, job.w * job.n, job.n};
        const int64_t pixel = (i * job.ow + j) * job.n;
        const auto run = part.rows == 2 && part.columns == 2 ? lanes<2> : lanes<0>;
        run(job, part, x, v, out, pixel, image, image + images);
      }
    }
  }

  // One window of the images [begin, end).
  template <int kSide>
  static void lanes(const WindowJob& job, const WindowPart& part, const T* x, const T* v, T* out, int64_t pixel,
                    int64_t begin, int64_t end) {
    constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
    const double scale = 1.0 / static_cast<double>(window_size(job));
    int64_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      const WindowLanes<T, kSide> whole{part, static_cast<size_t>(kLanes), scale, job.apart};
      Operation<T>::run(whole, x + i, v + i, out + i, pixel);
    }
    if (i < end) {
      const WindowLanes<T, kSide> rest{part, static_cast<size_t>(end - i), scale, job.apart};
      Operation<T>::run(rest, x + i, v + i, out + i, pixel);
    }
  }

  static void run(const WindowJob& job) {
    WindowRun self{job, images_of_piece(job)};
    const int64_t groups = (job.n + self.images - 1) / self.images;
    for_chunks(job.c * groups, 1, pieces, &self, job.oh * job.ow * window_size(job) * self.images / 8);
  }
  static int64_t window_size(const WindowJob& job) { return job.window.size[0] * job.window.size[1]; }
};

template <class T>
struct GatherJob {
  const T* from;
  const int64_t *shape, *strides;
  T* to;
};

// Rows (of one channel and height) [begin, end).
template <class T>
void gather_rows(void* context, int64_t begin, int64_t end) {
  const GatherJob<T>& job = *static_cast<const GatherJob<T>*>(context);
  constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
  const int64_t n = job.shape[0], h = job.shape[2], w = job.shape[3], whole = n % kLanes ? 0 : n;
  for (int64_t i = begin; i < end; ++i) {
    const T* from = job.from + i / h * job.strides[1] + i % h * job.strides[2];
    T* to = job.to + i * w * n;
    if (whole) pack(from, job.strides[0], job.strides[3], n, w, to, n);
    for (int64_t k = whole; k < n; ++k) {
      for (int64_t j = 0; j < w; ++j) to[j * n + k] = from[k * job.strides[0] + j * job.strides[3]];
    }
  }
}

template <class T>
void gather_images(const void* from, const int64_t* shape, const int64_t* strides, void* to) {
  GatherJob<T> job{static_cast<const T*>(from), shape, strides, static_cast<T*>(to)};
  const int64_t row = std::max<int64_t>(1, shape[0] * shape[3]);
  for_chunks(shape[1] * shape[2], std::max<int64_t>(1, kSweepGrain / row), gather_rows<T>, &job, 2 * kSweepGrain);
}

constexpr WindowKernels kWindowKernels = {{WindowRun<float, PlainMax, Per::kWindow, Per::kWindow>::run,
                                           WindowRun<double, PlainMax, Per::kWindow, Per::kWindow>::run},
                                          {WindowRun<float, PlainMaxInput, Per::kWindow, Per::kPixel>::run,
                                           WindowRun<double, PlainMaxInput, Per::kWindow, Per::kPixel>::run},
                                          {WindowRun<float, MaxPick, Per::kPixel, Per::kWindow>::run,
                                           WindowRun<double, MaxPick, Per::kPixel, Per::kWindow>::run},
                                          {WindowRun<float, MeanWindow, Per::kWindow, Per::kWindow>::run,
                                           WindowRun<double, MeanWindow, Per::kWindow, Per::kWindow>::run},
                                          {WindowRun<float, MeanInput, Per::kWindow, Per::kPixel>::run,
                                           WindowRun<double, MeanInput, Per::kWindow, Per::kPixel>::run},
                                          {WindowRun<float, ReluMax, Per::kWindow, Per::kWindow>::run,
                                           WindowRun<double, ReluMax, Per::kWindow, Per::kWindow>::run},
                                          {WindowRun<float, ReluMaxInput, Per::kWindow, Per::kPixel>::run,
                                           WindowRun<double, ReluMaxInput, Per::kWindow, Per::kPixel>::run},
                                          {gather_images<float>, gather_images<double>}};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(WindowKernels, window_kernels, kWindowKernels)
#endif
