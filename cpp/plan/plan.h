// How is a traced graph run again and again?  As a schedule: dead and repeated steps removed, every temporary placed in
// one arena, every kernel and address known. A run allocates nothing for its values and calls no Python.
#ifndef FALLLINE_PLAN_PLAN_H_
#define FALLLINE_PLAN_PLAN_H_

#include <map>
#include <mutex>
#include <string>

#include "plan/donation.h"
#include "plan/group.h"
#include "plan/stream.h"
#include "ops/matmul.h"

namespace fallline {

class Loop;

class Plan {
 public:
  // `outputs` are values of the graph; they keep their memory until the next run. Those of `streams` for which it is
  // possible are handed out tile by tile at the end of a run, and have no memory. A plan without an arena of its own is
  // lent one of arena_bytes() before it runs. The first `roomy` inputs will be followed by memory for a whole register;
  // where outputs will be placed, that is said of them too by `roomy_outputs`.
  explicit Plan(const Graph& graph, const std::vector<int>& outputs, const std::vector<Stream>& streams = {},
                bool own_arena = true, int roomy = 0, bool roomy_outputs = true);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  // The memory that input number `i` (in the order they were made) is read from; it must stay until it is bound anew.
  void bind(int i, void* data);
  const Array& input(int i) const { return arrays_[static_cast<size_t>(inputs_[static_cast<size_t>(i)])]; }
  const Array& output(int i) const { return arrays_[static_cast<size_t>(outputs_[static_cast<size_t>(i)])]; }
  bool streams(int output) const { return streamed_[static_cast<size_t>(output)] >= 0; }
  const Dims& streamed_shape(int output) const {  // of the product, before any view
    return arrays_[static_cast<size_t>(streamed_[static_cast<size_t>(output)])].shape;
  }
  void set_reader(int output, const TileReader& reader);  // of an output that streams, before the first run
  int input_count() const { return static_cast<int>(inputs_.size()); }
  int output_count() const { return static_cast<int>(outputs_.size()); }
  // The bytes of memory that output i can be written to instead of the arena; 0 where it cannot.
  int64_t own_bytes(int i) const { return own_bytes_[static_cast<size_t>(i)]; }
  bool may_replace(int output, int input) const {  // whether that memory may be the input's
    return replaces_[static_cast<size_t>(output)][static_cast<size_t>(input)];
  }
  void place_output(int i, std::byte* memory);  // null: in the arena again
  bool is_input(int i) const;                   // whether output i lies in the memory of an input
  void attach(std::byte* arena);

  // Runs every step. Subnormal numbers count as zero meanwhile.
  void run();
  // The same where the caller flushes subnormal numbers and counts.
  void run_steps() const {
    for (const Step& step : steps_) {
      step.run();
      if (checked_) step.check();
    }
  }
  static void count_runs(int64_t runs);

  int64_t arena_bytes() const { return arena_bytes_; }
  int step_count() const { return static_cast<int>(steps_.size()); }
  bool has_loops() const { return !loops_.empty(); }
  // Seconds that each step took: the least of several runs.
  std::vector<double> profile(int runs);
  const std::string& taken_away() const { return taken_away_; }  // by the passes: "2 repeated, 1 unread"
  std::string describe() const;
  std::string describe_step(int i) const;

  // Of all plans so far, for fl.info().
  struct Counts {
    int64_t built, run;
  };
  static Counts counts();

  // One caller at a time: values live in the plan's own memory.
  std::mutex& mutex() { return mutex_; }

 private:
  struct Step {
    const Primitive* primitive = nullptr;
    std::vector<const Array*> in;
    std::vector<const Array*> outs;
    OwnAttrs attrs;
    std::unique_ptr<Group> group;  // instead of all that: neighbours that run block by block
    Loop* loop = nullptr;          // instead of the primitive's kernel: a body
    std::function<void()> call;    // or a call that is prepared
    TileReader reader = {};        // who takes the result tile by tile, if somebody does
    CallSite source = {};          // of the call, where each step is checked
    void run() const;
    void check() const;
  };
  struct Inner {  // the body of a step, and the place in the arena of all that is its own
    std::unique_ptr<Loop> loop;
    int64_t offset;
  };

  void place(const std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values,
             const std::vector<Stream>& streams);
  void find_roots(const std::vector<Graph::Step>& steps, const std::vector<Graph::Value>& values);
  size_t root_of(int value) const { return static_cast<size_t>(roots_[static_cast<size_t>(value)].value); }
  void find_own_outputs(const Donation& donation);
  bool has_room(int value) const;
  std::vector<int> views_of(int root) const;
  void make_loops(const std::vector<Graph::Step>& steps);
  void lay_out(const std::vector<Graph::Step>& steps, const std::vector<Neighbours>& groups);
  Step ready(const Graph::Step& step) const;
  Step ready_group(const Graph::Step* begin, const Graph::Step* end) const;

  std::vector<Array> arrays_;  // one per value of the graph
  std::vector<Root> roots_;
  std::vector<int64_t> offset_;  // in the arena, of values that a step computes; or one of these:
  static constexpr int64_t kNone = -1, kInGroup = -2, kStreamed = -3;
  std::vector<int64_t> own_bytes_;                // per output
  std::vector<std::vector<bool>> replaces_;       // per output and input
  std::vector<std::vector<int>> views_;           // of each input: itself and what lies in its memory
  std::vector<int> inputs_, outputs_, streamed_;  // streamed_: per output, the value that comes in tiles, or -1
  std::vector<Step> steps_;
  std::map<int, Inner> loops_;  // by the first value that they compute
  std::shared_ptr<Buffer> arena_;
  int64_t arena_bytes_ = 0;
  std::string taken_away_;
  int roomy_;
  bool roomy_outputs_;
  bool checked_ = checking();  // made while checks were on: as it was written, and each step is looked at
  std::mutex mutex_;
};

}  // namespace fallline

#endif  // FALLLINE_PLAN_PLAN_H_
