// Windows for every SIMD target. A thread takes a channel of a few dozen images; sums have one order: rows, columns.
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

// The part of one window that lies in its image; offsets count elements.
struct WindowPart {
  int64_t first, rows, columns, row_step, column_step;
};

// What is done for some lanes of one window.
template <class T>
struct WindowLanes {
  const WindowPart& part;
  size_t lanes;
  double scale;

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

  // The largest element and its number in the part.
  FL_FN Pack<T> largest(const T* x, Pack<T>& index) const {
    Pack<T> best(T(-HUGE_VAL));
    index = Pack<T>(T(0));
    int k = 0;
    for (int64_t a = 0; a < part.rows; ++a) {
      for (int64_t b = 0; b < part.columns; ++b, ++k) {
        const Pack<T> here = load(at(x, a, b));
        const Mask<T> larger = (here > best) | (here != here);
        best = select(larger, here, best);
        index = select(larger, Pack<T>(static_cast<T>(k)), index);
      }
    }
    return best;
  }
};

// images, windows: the pointers of this channel and of these lanes; `pixel` is the offset of the window.
template <class T>
struct MaxWindow {
  static FL_FN void run(const WindowLanes<T>& w, const T* x, const T*, T* out, int64_t pixel) {
    Pack<T> best(T(-HUGE_VAL));
    for (int64_t a = 0; a < w.part.rows; ++a) {
      for (int64_t b = 0; b < w.part.columns; ++b) {
        const Pack<T> here = w.load(w.at(x, a, b));
        best = select((here > best) | (here != here), here, best);
      }
    }
    w.store(best, out + pixel);
  }
};
template <class T>
struct MaxInput {
  static FL_FN void run(const WindowLanes<T>& w, const T* x, const T* g, T* out, int64_t pixel) {
    Pack<T> index;
    w.largest(x, index);
    const Pack<T> gradient = w.load(g + pixel);
    int k = 0;
    for (int64_t a = 0; a < w.part.rows; ++a) {
      for (int64_t b = 0; b < w.part.columns; ++b, ++k) {
        T* to = w.at(out, a, b);
        const Pack<T> before = w.load(to);
        w.store(select(index == Pack<T>(static_cast<T>(k)), before + gradient, before), to);
      }
    }
  }
};
template <class T>
struct MaxPick {
  static FL_FN void run(const WindowLanes<T>& w, const T* x, const T* v, T* out, int64_t pixel) {
    Pack<T> index, picked(T(0));
    w.largest(x, index);
    int k = 0;
    for (int64_t a = 0; a < w.part.rows; ++a) {
      for (int64_t b = 0; b < w.part.columns; ++b, ++k) {
        picked = select(index == Pack<T>(static_cast<T>(k)), w.load(w.at(v, a, b)), picked);
      }
    }
    w.store(picked, out + pixel);
  }
};
template <class T>
struct MeanWindow {
  static FL_FN void run(const WindowLanes<T>& w, const T* x, const T*, T* out, int64_t pixel) {
    Pack<T> sum(T(0));
    for (int64_t a = 0; a < w.part.rows; ++a) {
      for (int64_t b = 0; b < w.part.columns; ++b) sum = sum + w.load(w.at(x, a, b));
    }
    w.store(sum * Pack<T>(static_cast<T>(w.scale)), out + pixel);
  }
};
template <class T>
struct MeanInput {
  static FL_FN void run(const WindowLanes<T>& w, const T*, const T* g, T* out, int64_t pixel) {
    const Pack<T> part = w.load(g + pixel) * Pack<T>(static_cast<T>(w.scale));
    for (int64_t a = 0; a < w.part.rows; ++a) {
      for (int64_t b = 0; b < w.part.columns; ++b) {
        T* to = w.at(out, a, b);
        w.store(w.load(to) + part, to);
      }
    }
  }
};

constexpr int64_t kWindowImages = 64;

// Does x, v or out of an operation have a row for every window, or one for every pixel?
enum class Per { kWindow, kPixel };

template <class T, template <class> class Operation, Per kV, Per kOut>
struct WindowRun {
  static void pieces(void* context, int64_t begin, int64_t end) {
    const WindowJob& job = *static_cast<const WindowJob*>(context);
    const int64_t groups = (job.n + kWindowImages - 1) / kWindowImages;
    for (int64_t i = begin; i < end; ++i) piece(job, i / groups, i % groups * kWindowImages);
  }

  static void piece(const WindowJob& job, int64_t channel, int64_t image) {
    const Window& window = job.window;
    const int64_t pixels = channel * job.h * job.w * job.n, windows = channel * job.oh * job.ow * job.n;
    const T* x = static_cast<const T*>(job.x) + (job.x ? pixels : 0);
    const T* v = static_cast<const T*>(job.v) + (job.v ? (kV == Per::kPixel ? pixels : windows) : 0);
    T* out = static_cast<T*>(job.out) + (kOut == Per::kPixel ? pixels : windows);
    const int64_t images = std::min(kWindowImages, job.n - image);
    constexpr int64_t kLanes = static_cast<int64_t>(Pack<T>::kLanes);
    const double scale = 1.0 / static_cast<double>(window.size[0] * window.size[1]);
    for (int64_t i = 0; i < job.oh; ++i) {
      const int64_t top = i * window.stride[0] - window.padding[0], row = std::max<int64_t>(top, 0);
      for (int64_t j = 0; j < job.ow; ++j) {
        const int64_t left = j * window.stride[1] - window.padding[1], column = std::max<int64_t>(left, 0);
        const WindowPart part{(row * job.w + column) * job.n, std::min(top + window.size[0], job.h) - row,
                              std::min(left + window.size[1], job.w) - column, job.w * job.n, job.n};
        const int64_t pixel = (i * job.ow + j) * job.n;
        for (int64_t lane = image; lane < image + images; lane += kLanes) {
          const WindowLanes<T> lanes{part, static_cast<size_t>(std::min(kLanes, image + images - lane)), scale};
          Operation<T>::run(lanes, x + lane, v + lane, out + lane, pixel);
        }
      }
    }
  }

  static void run(const WindowJob& job) {
    const int64_t groups = (job.n + kWindowImages - 1) / kWindowImages;
    const int64_t work = job.oh * job.ow * window_size(job) * std::min(job.n, kWindowImages) / 8;
    for_chunks(job.c * groups, 1, pieces, const_cast<WindowJob*>(&job), work);
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

constexpr WindowKernels kWindowKernels = {{WindowRun<float, MaxWindow, Per::kWindow, Per::kWindow>::run,
                                           WindowRun<double, MaxWindow, Per::kWindow, Per::kWindow>::run},
                                          {WindowRun<float, MaxInput, Per::kWindow, Per::kPixel>::run,
                                           WindowRun<double, MaxInput, Per::kWindow, Per::kPixel>::run},
                                          {WindowRun<float, MaxPick, Per::kPixel, Per::kWindow>::run,
                                           WindowRun<double, MaxPick, Per::kPixel, Per::kWindow>::run},
                                          {WindowRun<float, MeanWindow, Per::kWindow, Per::kWindow>::run,
                                           WindowRun<double, MeanWindow, Per::kWindow, Per::kWindow>::run},
                                          {WindowRun<float, MeanInput, Per::kWindow, Per::kPixel>::run,
                                           WindowRun<double, MeanInput, Per::kWindow, Per::kPixel>::run},
                                          {gather_images<float>, gather_images<double>}};

FL_END_TARGET

#if FL_ONCE
FL_EXPORT_TABLE(WindowKernels, window_kernels, kWindowKernels)
#endif
