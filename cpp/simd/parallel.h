// How is one job spread over the cores?  A persistent pool; the split depends on the size alone, never on the number
// of threads, so results do not either.
#ifndef FALLLINE_SIMD_PARALLEL_H_
#define FALLLINE_SIMD_PARALLEL_H_

#include <cstdint>
#include <thread>
#include <type_traits>

namespace fallline {

// Threads that may work on one job, the caller included. FALLLINE_NUM_THREADS, else the CPUs this process may use.
int num_threads();
void set_num_threads(int threads);  // throws std::invalid_argument below 1 or above 1024

// How many different threads have taken part in a parallel job so far (for fl.info()).
int threads_that_worked();

// What one piece is taken to cost when the caller does not say: a sweep over kSweepGrain elements.
constexpr int64_t kPieceNs = 1000;

// Calls fn(context, begin, end) once for every piece [0, grain), [grain, 2 grain) ... of [0, n), in any order and on
// any thread. Each thread gets one run of neighbouring pieces, the same run each time if it can; who is done early
// takes pieces from the others.
// Runs on the calling thread alone when there is one piece, one thread, when called from inside a job, or when another
// Python thread holds the pool. `fn` must not throw. Nothing is allocated once the pool stands.
// `piece_ns` estimates the time of one piece: a job of less than 5 us is not shared either, and threads that sleep are
// not woken for one of less than 20 us.
void for_chunks(int64_t n, int64_t grain, void (*fn)(void* context, int64_t begin, int64_t end), void* context,
                int64_t piece_ns = kPieceNs);

template <class F>
void for_chunks(int64_t n, int64_t grain, F&& f, int64_t piece_ns = kPieceNs) {
  using Body = std::remove_reference_t<F>;
  for_chunks(
      n, grain, [](void* context, int64_t begin, int64_t end) { (*static_cast<Body*>(context))(begin, end); },
      const_cast<void*>(static_cast<const void*>(&f)), piece_ns);
}

// Wakes a thread of the pool for work of about so long that is not a job (background.h), if it is worth that.
void wake_for(int64_t cost_ns);
// Lets another thread of the same core go on for a moment.
void relax();
// Spins until another thread has made `done` true. After some microseconds that thread may be waiting for this CPU.
template <class Done>
void wait_until(const Done& done) {
  for (int i = 0; !done(); ++i) i < 512 ? relax() : std::this_thread::yield();
}

// True while the calling thread runs a piece of a job that several threads share.
bool in_parallel();

// Elements of a one-pass sweep that are one piece.
constexpr int64_t kSweepGrain = 4096;

}  // namespace fallline

#endif  // FALLLINE_SIMD_PARALLEL_H_
