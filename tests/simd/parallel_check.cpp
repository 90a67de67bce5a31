// What Python cannot ask of the pool; compiled and run by test_parallel.py. Prints the first promise that is broken.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <thread>
#include <vector>

#include "simd/background.h"
#include "simd/flush.h"
#include "simd/own_cpu.h"
#include "simd/parallel.h"

#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

using namespace fallline;

namespace {

constexpr int64_t kCostly = 50000;  // worth waking a thread for

void check(bool right, const char* promise) {
  if (right) return;
  std::printf("broken: %s\n", promise);
  std::exit(1);
}

void every_piece_runs_once() {
  for (int threads : {1, 2, 5}) {
    set_num_threads(threads);
    for (int64_t n : {0, 1, 2, 3, 31, 100, 4097, 70000}) {
      for (int64_t grain : {1, 3, 64, 4096}) {
        std::vector<std::atomic<int>> runs(static_cast<size_t>(n));
        for_chunks(
            n, grain,
            [&](int64_t begin, int64_t end) {
              check(begin % grain == 0 && (end == begin + grain || end == n), "pieces depend on n and grain alone");
              for (int64_t i = begin; i < end; ++i) ++runs[static_cast<size_t>(i)];
            },
            kCostly);
        for (const auto& count : runs) check(count == 1, "every piece runs once");
      }
    }
  }
}

void jobs_inside_jobs_run_where_they_are() {
  set_num_threads(3);
  std::atomic<int> total{0};
  for (int round = 0; round < 500; ++round) {
    for_chunks(
        6, 1,
        [&](int64_t, int64_t) {
          check(in_parallel(), "a piece knows that it is one");
          const auto self = std::this_thread::get_id();
          for_chunks(
              4, 1,
              [&](int64_t, int64_t) {
                check(std::this_thread::get_id() == self, "a job inside a job stays on its thread");
                ++total;
              },
              kCostly);
        },
        kCostly);
    check(!in_parallel(), "the caller is free again");
  }
  check(total == 500 * 24, "jobs inside jobs are complete");
}

void two_callers_do_not_wait_for_each_other() {
  set_num_threads(2);
  std::atomic<int> total{0};
  const auto body = [&] {
    for (int i = 0; i < 3000; ++i)
      for_chunks(
          5, 1, [&](int64_t, int64_t) { ++total; }, kCostly);
  };
  std::thread first(body), second(body);
  first.join();
  second.join();
  check(total == 30000, "two callers both finish");
}

// Counts the pieces in which subnormal numbers survive, over jobs that every thread shares.
int pieces_that_keep_subnormals(int pieces) {
  std::atomic<int> kept{0};
  for_chunks(
      pieces, 1,
      [&](int64_t, int64_t) {
        volatile float small = 1e-38f;
        volatile float smaller = small * 0.01f;
        if (smaller != 0.0f) ++kept;
        std::this_thread::sleep_for(std::chrono::microseconds(50));  // so that the other thread gets its share
      },
      kCostly);
  return kept;
}

void workers_flush_when_the_caller_does() {
  set_num_threads(2);
  check(pieces_that_keep_subnormals(64) == 64, "subnormals are kept by default");
  {
    const FlushToZero scope;
    check(pieces_that_keep_subnormals(64) == 0, "subnormals are flushed on every thread inside the scope");
  }
  check(pieces_that_keep_subnormals(64) == 64, "subnormals are kept again after the scope");
}

struct Counted {
  std::vector<std::atomic<int>> runs;
  std::atomic<int> elsewhere{0};
  std::thread::id self = std::this_thread::get_id();
  explicit Counted(int64_t n) : runs(static_cast<size_t>(n)) {}
  static void units(void* context, int64_t begin, int64_t end) {
    Counted& counted = *static_cast<Counted*>(context);
    for (int64_t i = begin; i < end; ++i) ++counted.runs[static_cast<size_t>(i)];
    if (std::this_thread::get_id() != counted.self) ++counted.elsewhere;
  }
  int most() const {
    int found = 0;
    for (const auto& count : runs) found = std::max(found, count.load());
    return found;
  }
  int64_t done() const {
    int64_t found = 0;
    for (const auto& count : runs) found += count.load();
    return found;
  }
};

void background_units_run_once() {
  for (int threads : {1, 2, 3}) {
    set_num_threads(threads);
    for (int64_t n : {0, 1, 7, 5000}) {
      Background background;
      for (int round = 0; round < 20; ++round) {
        Counted counted(n);
        background.start(n, Counted::units, &counted, kCostly);
        for_chunks(
            4, 1, [](int64_t, int64_t) {}, kCostly);  // jobs go on meanwhile
        background.finish();
        check(counted.done() == n && counted.most() <= 1, "every unit is done once when finish() returns");
        check(threads > 1 || counted.elsewhere == 0, "one thread does everything itself");
        background.finish();
        check(counted.done() == n, "there is nothing left to finish");
      }
    }
  }
}

void threads_without_work_help() {
  set_num_threads(2);
  for (int tries = 0; tries < 2000; ++tries) {  // on a busy machine the other thread may come late
    Counted counted(1000);
    Background background;
    background.start(1000, Counted::units, &counted, kCostly);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    background.finish();
    if (counted.elsewhere > 0) return;
  }
  check(false, "a thread that sleeps is woken to help");
}

void dropped_units_are_not_begun() {
  set_num_threads(2);
  for (int round = 0; round < 200; ++round) {
    auto counted = std::make_unique<Counted>(100000);
    {
      Background background;
      background.start(100000, Counted::units, counted.get(), kCostly);
      if (round % 2) background.drop();
    }
    const int64_t done = counted->done();
    for_chunks(
        4, 1, [](int64_t, int64_t) {}, kCostly);
    check(counted->done() == done && counted->most() <= 1, "after drop() nobody touches the work");
  }
}

void several_backgrounds_are_all_done() {
  set_num_threads(3);
  const auto body = [] {
    for (int round = 0; round < 500; ++round) {
      Counted counted(50);
      Background background;
      background.start(50, Counted::units, &counted, kCostly);
      background.finish();
      check(counted.done() == 50 && counted.most() == 1, "each of several is done");
    }
  };
  std::thread first(body), second(body);
  body();
  first.join();
  second.join();
}

#if defined(__linux__)
bool may_run_on(const cpu_set_t& wanted) {
  cpu_set_t allowed;
  return sched_getaffinity(0, sizeof allowed, &allowed) == 0 && CPU_EQUAL(&allowed, &wanted);
}

void a_thread_leaves_its_cpu_and_may_come_back() {
  cpu_set_t before;
  if (sched_getaffinity(0, sizeof before, &before) != 0) return;
  int moved = 0;
  for (int tries = 0; tries < 200; ++tries) {
    const int cpu = current_cpu();
    leave_cpu(cpu);
    moved += current_cpu() != cpu;
    check(may_run_on(before), "afterwards the thread may run where it might before");
  }
  check(CPU_COUNT(&before) < 2 ? moved == 0 : moved > 100, "a thread goes on elsewhere");

  cpu_set_t one;  // with no other CPU nothing changes
  CPU_ZERO(&one);
  CPU_SET(static_cast<size_t>(current_cpu()), &one);
  sched_setaffinity(0, sizeof one, &one);
  leave_cpu(current_cpu());
  check(may_run_on(one), "a thread that has one CPU stays there");
  sched_setaffinity(0, sizeof before, &before);
}
#else
void a_thread_leaves_its_cpu_and_may_come_back() {}
#endif

void limits_are_checked() {
  for (int threads : {0, -1, 1025}) {
    try {
      set_num_threads(threads);
    } catch (const std::invalid_argument&) {
      continue;
    }
    check(false, "a number of threads out of range is refused");
  }
}

#if !defined(_WIN32)
void a_child_makes_its_own_pool() {
  set_num_threads(2);
  pieces_that_keep_subnormals(8);
  for (int i = 0; i < 10; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      check(threads_that_worked() == 0, "the child starts without a pool");
      check(pieces_that_keep_subnormals(64) == 64, "the child's jobs are complete");
      Counted counted(100);
      Background background;
      background.start(100, Counted::units, &counted, kCostly);
      background.finish();
      check(counted.done() == 100, "the child has helpers of its own");
      // On a busy machine the second thread may come too late for a job, or for many.
      for (int job = 0; job < 20000 && threads_that_worked() < 2; ++job) pieces_that_keep_subnormals(64);
      std::exit(threads_that_worked() == 2 ? 0 : 2);
    }
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFEXITED(status) && WEXITSTATUS(status) == 0, "two threads work in the child, and it ends");
  }
  check(pieces_that_keep_subnormals(64) == 64, "the parent's pool lives on");
}
#else
void a_child_makes_its_own_pool() {}
#endif

}  // namespace

int main() {
  every_piece_runs_once();
  jobs_inside_jobs_run_where_they_are();
  two_callers_do_not_wait_for_each_other();
  workers_flush_when_the_caller_does();
  background_units_run_once();
  threads_without_work_help();
  dropped_units_are_not_begun();
  several_backgrounds_are_all_done();
  a_thread_leaves_its_cpu_and_may_come_back();
  limits_are_checked();
  a_child_makes_its_own_pool();
  std::printf("all promises kept\n");
  return 0;
}
