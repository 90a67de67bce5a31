// The pool behind for_chunks: who takes which piece, who waits for whom, who may sleep.
//
// Every thread has one atomic word: the number of the job, and the first and the last of the units (groups of pieces)
// that are still to be taken from its run. Owners take from the front, thieves from the back, both by one
// compare-exchange. A unit that was taken keeps its job alive, so the job's fields are read after taking, not before.
// A worker that sleeps, starts late or never starts costs speed, not correctness: others take its units.
#include "simd/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>

#include "simd/background.h"
#include "simd/flush.h"
#include "simd/own_cpu.h"

#if !defined(_WIN32)
#include <pthread.h>
#include <signal.h>
#endif
#if defined(__linux__)
#include <sched.h>
#endif

namespace fallline {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int64_t kUnitsPerThread = 32;  // enough to even out a thread that was interrupted
// Below this a job is done sooner by the thread that gave it, even if a worker is awake: what one core has written
// comes slowly to the other. And for this a worker is woken.
constexpr int64_t kShareNs = 5000, kWakeNs = 20000;
constexpr std::chrono::microseconds kSpin(50);

thread_local bool inside_job = false;

// job: 32 bits, next: 16, end: 16.
uint64_t pack_word(uint32_t job, uint64_t next, uint64_t end) { return (uint64_t{job} << 32) | (next << 16) | end; }
uint64_t next_of(uint64_t word) { return (word >> 16) & 0xffff; }
uint64_t end_of(uint64_t word) { return word & 0xffff; }
bool has_units(uint64_t word) { return next_of(word) < end_of(word); }

struct alignas(128) Slot {
  std::atomic<uint64_t> word{0};
  int64_t base = 0;  // the first unit of this run; written before the word
  alignas(128) std::atomic<bool> asleep{false};
  std::atomic<bool> worked{false};
  OwnCpu own_cpu;
  std::mutex mutex;
  std::condition_variable wake;
  std::thread thread;
};

struct Job {
  void (*fn)(void*, int64_t, int64_t);
  void* context;
  int64_t n, grain, pieces, pieces_per_unit;
  uint64_t fp_control;
};

class Pool {
 public:
  void run(const Job& job, int threads, int64_t cost_ns);
  void rouse();
  void stop();
  int worked() const;

 private:
  void grow(int threads);
  void work(int self);
  bool wait(Slot& mine);
  bool take(Slot& slot, bool front);
  void take_all(int self);

  std::unique_ptr<Slot> slots_[kMaxThreads];
  std::atomic<int> count_{0};
  std::atomic<bool> quit_{false};
  uint32_t number_ = 0;
  Job job_{};
  std::atomic<int> cpu_{-1};                      // of the thread that gave the job, or woke for other work
  alignas(128) std::atomic<int64_t> pending_{0};  // units not finished
};

// Takes one unit and runs it; false when none is left.
bool Pool::take(Slot& slot, bool front) {
  uint64_t word = slot.word.load(std::memory_order_acquire);
  do {
    if (!has_units(word)) return false;
  } while (!slot.word.compare_exchange_weak(word, front ? word + (1 << 16) : word - 1, std::memory_order_acq_rel,
                                            std::memory_order_acquire));
  const int64_t unit = slot.base + static_cast<int64_t>(front ? next_of(word) : end_of(word) - 1);
  if (fp_control() != job_.fp_control) set_fp_control(job_.fp_control);
  const int64_t last = std::min((unit + 1) * job_.pieces_per_unit, job_.pieces);
  for (int64_t piece = unit * job_.pieces_per_unit; piece < last; ++piece) {
    job_.fn(job_.context, piece * job_.grain, std::min((piece + 1) * job_.grain, job_.n));
  }
  return true;
}

void Pool::take_all(int self) {
  Slot& mine = *slots_[self];
  int64_t finished = 0;
  while (take(mine, true)) ++finished;
  if (finished > 0) {
    mine.worked.store(true, std::memory_order_relaxed);
    pending_.fetch_sub(finished, std::memory_order_acq_rel);
  }
  const int count = count_.load(std::memory_order_acquire);
  for (int i = 1; i < count; ++i) {
    Slot& other = *slots_[(self + i) % count];
    while (take(other, false)) {
      mine.worked.store(true, std::memory_order_relaxed);
      pending_.fetch_sub(1, std::memory_order_acq_rel);
    }
  }
}

// Until there is something to take; false when the pool closes.
bool Pool::wait(Slot& mine) {
  const auto ready = [&] { return has_units(mine.word.load()) || quit_.load(); };
  const auto start = std::chrono::steady_clock::now();
  for (int i = 1; !ready(); ++i) {
    if (help_background()) continue;
    relax();
    if (i % 16 == 0 && std::chrono::steady_clock::now() - start > kSpin) {
      std::unique_lock<std::mutex> lock(mine.mutex);
      mine.asleep.store(true);
      mine.wake.wait(lock, [&] { return ready() || has_background(); });
      mine.asleep.store(false);
      lock.unlock();
      mine.own_cpu.keep_from(cpu_.load(std::memory_order_relaxed));
    }
  }
  return !quit_.load();
}

void Pool::work(int self) {
  inside_job = true;
  Slot& mine = *slots_[self];
  while (wait(mine)) {
    mine.own_cpu.keep_from(cpu_.load(std::memory_order_relaxed));
    take_all(self);
  }
}

// Only the thread that holds the pool calls this.
void Pool::grow(int threads) {
#if !defined(_WIN32)
  sigset_t all, before;  // signals belong to the threads of the application
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
#endif
  for (int i = count_.load(); i < threads; ++i) {
    slots_[i] = std::make_unique<Slot>();
    try {
      if (i > 0) slots_[i]->thread = std::thread([this, i] { work(i); });
    } catch (const std::system_error&) {
      break;  // the system gives no more threads: those that stand do the work
    }
    count_.store(i + 1, std::memory_order_release);
  }
#if !defined(_WIN32)
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
#endif
}

void Pool::run(const Job& job, int threads, int64_t cost_ns) {
  if (count_.load(std::memory_order_relaxed) < threads) grow(threads);
  threads = std::min(threads, count_.load(std::memory_order_relaxed));

  const bool worth_waking = cost_ns >= kWakeNs;
  int workers[kMaxThreads];
  int crew = 0;
  workers[crew++] = 0;
  for (int i = 1; i < threads && crew < job.pieces; ++i) {
    if (worth_waking || !slots_[i]->asleep.load(std::memory_order_relaxed)) workers[crew++] = i;
  }

  job_ = job;
  job_.pieces_per_unit = std::max<int64_t>(1, job.pieces / (crew * kUnitsPerThread));
  const int64_t units = (job.pieces + job_.pieces_per_unit - 1) / job_.pieces_per_unit;
  pending_.store(units, std::memory_order_relaxed);
  cpu_.store(current_cpu(), std::memory_order_relaxed);
  ++number_;
  for (int i = crew - 1; i >= 0; --i) {
    Slot& slot = *slots_[workers[i]];
    slot.base = units * i / crew;
    slot.word.store(pack_word(number_, 0, static_cast<uint64_t>(units * (i + 1) / crew - slot.base)));
    if (slot.asleep.load()) {
      std::lock_guard<std::mutex> lock(slot.mutex);
      slot.wake.notify_one();
    }
  }

  inside_job = true;
  take_all(0);
  wait_until([this] { return pending_.load(std::memory_order_acquire) == 0; });
  inside_job = false;
}

// One thread is enough for what has time.
void Pool::rouse() {
  if (count_.load(std::memory_order_relaxed) < 2) grow(2);
  if (count_.load(std::memory_order_relaxed) < 2) return;
  cpu_.store(current_cpu(), std::memory_order_relaxed);
  Slot& slot = *slots_[1];
  if (!slot.asleep.load()) return;
  std::lock_guard<std::mutex> lock(slot.mutex);
  slot.wake.notify_one();
}

void Pool::stop() {
  quit_.store(true);
  for (int i = 1; i < count_.load(); ++i) {
    { std::lock_guard<std::mutex> lock(slots_[i]->mutex); }
    slots_[i]->wake.notify_one();
    if (slots_[i]->thread.joinable()) slots_[i]->thread.join();
  }
}

int Pool::worked() const {
  int sum = 0;
  for (int i = 0; i < count_.load(std::memory_order_acquire); ++i) sum += slots_[i]->worked.load();
  return sum;
}

// The pool is never freed: a thread that outlives main may still look at it.
std::atomic<Pool*> the_pool{nullptr};
std::atomic<bool> busy{false};

// Workers do not survive fork: the child forgets the pool and makes its own on first use.
void forget_pool() {
  forget_background();
  the_pool.store(nullptr);
  busy.store(false);
  inside_job = false;
}

struct Shutdown {
  Shutdown() {
#if !defined(_WIN32)
    pthread_atfork(nullptr, nullptr, forget_pool);
#endif
  }
  ~Shutdown() {
#if !defined(_WIN32)  // there the system has ended the threads before destructors run
    if (Pool* pool = the_pool.load()) pool->stop();
#endif
  }
};

Pool& pool() {
  static Shutdown shutdown;
  Pool* found = the_pool.load(std::memory_order_acquire);
  if (!found) the_pool.store(found = new Pool, std::memory_order_release);  // the caller holds `busy`
  return *found;
}

int cpus_of_process() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// What a container may use: quota / period of control groups, version 2 or 1.
int cpus_of_container() {
  double quota = 0, period = 0;
  std::string word;
  std::ifstream both("/sys/fs/cgroup/cpu.max");
  if (both >> word >> period) {
    quota = std::atof(word.c_str());  // "max" reads as 0
  } else {
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_quota_us") >> quota;
    std::ifstream("/sys/fs/cgroup/cpu/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return kMaxThreads;
  return std::max(1, static_cast<int>(quota / period + 0.999));
}

int default_threads() {
  if (const char* wanted = std::getenv("FALLLINE_NUM_THREADS")) {
    const int threads = std::atoi(wanted);
    if (threads >= 1) return std::min(threads, kMaxThreads);
  }
  return std::min({cpus_of_process(), cpus_of_container(), kMaxThreads});
}

std::atomic<int>& wanted_threads() {
  static std::atomic<int> value{default_threads()};
  return value;
}

}  // namespace

int num_threads() { return wanted_threads().load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  if (threads < 1 || threads > kMaxThreads) {
    throw std::invalid_argument("[set_num_threads] expected 1 to 1024 threads, got " + std::to_string(threads));
  }
  wanted_threads().store(threads);
}

int threads_that_worked() {
  Pool* found = the_pool.load(std::memory_order_acquire);
  return found ? found->worked() : 0;
}

bool in_parallel() { return inside_job; }

void relax() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void wake_for(int64_t cost_ns) {
  if (cost_ns < kWakeNs || busy.exchange(true, std::memory_order_acquire)) return;
  pool().rouse();
  busy.store(false, std::memory_order_release);
}

void for_chunks(int64_t n, int64_t grain, void (*fn)(void*, int64_t, int64_t), void* context, int64_t piece_ns) {
  if (n <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t pieces = (n - 1) / grain + 1;
  const int64_t cost_ns = piece_ns > kWakeNs ? kWakeNs : pieces * std::max<int64_t>(piece_ns, 0);
  if (pieces > 1 && cost_ns >= kShareNs && !inside_job) {
    const int threads = num_threads();
    if (threads > 1 && !busy.exchange(true, std::memory_order_acquire)) {
      pool().run(Job{fn, context, n, grain, pieces, 1, fp_control()}, threads, cost_ns);
      busy.store(false, std::memory_order_release);
      return;
    }
  }
  for (int64_t begin = 0; begin < n; begin += grain) fn(context, begin, std::min(begin + grain, n));
}

}  // namespace fallline
