// The update rules instantiated for CUDA.
#include "optim/rules_cuda.h"

#include <utility>

#include "simd/device.cuh"

namespace fallline {
namespace cuda {

template <class X>
FL_FN X root(X x) {
  return sqrt(x);
}

#include "optim/rules.inc.h"

// One step of one element, with the pointers of RuleTensor.
template <class R, class T, size_t... I>
struct Step {
  Coef<Pack<T>> k;
  const T* g;
  T* w;
  T* slots[sizeof...(I) + 1];
  __device__ void operator()(int64_t i) const {
    Pack<T> gradient = Pack<T>::load(g + i), parameter = Pack<T>::load(w + i);
    Pack<T> s[] = {Pack<T>::load(slots[I] + i)..., parameter};
    update<R>(k, gradient, parameter, s[I]...);
    parameter.store(w + i);
    (s[I].store(slots[I] + i), ...);
  }
};

template <class R, class T, size_t... I>
int run(const Coef<double>& exact, const RuleTensor& tensor, int64_t begin, int64_t end, CUstream_st* stream,
        std::index_sequence<I...>) {
#define FL_ROW(letter) Pack<T>(static_cast<T>(exact.letter)),
  const Coef<Pack<T>> k = {FL_COEF_LETTERS(FL_ROW)};
#undef FL_ROW
  const Step<R, T, I...> f = {k,
                              static_cast<const T*>(tensor.g) + begin,
                              static_cast<T*>(tensor.w) + begin,
                              {static_cast<T*>(tensor.slots[I]) + begin..., nullptr}};
  return launch(end - begin, f, stream);
}

template <class R, class T>
int run(const Coef<double>& k, const RuleTensor& tensor, int64_t begin, int64_t end, CUstream_st* stream) {
  return run<R, T>(k, tensor, begin, end, stream, std::make_index_sequence<R::kSlots.size()>());
}

#define FL_ROW(Name) {run<Name, float>, run<Name, double>},
static constexpr CudaRule kLaunchers[] = {FL_RULES(FL_ROW)};
#undef FL_ROW

}  // namespace cuda

const CudaRule& cuda_rule(int index) { return cuda::kLaunchers[index]; }

}  // namespace fallline
