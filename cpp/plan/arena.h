// Where in one block of memory does each temporary lie?
#ifndef FALLLINE_PLAN_ARENA_H_
#define FALLLINE_PLAN_ARENA_H_

#include <cstdint>
#include <iterator>
#include <map>

namespace fallline {

// Offsets into one arena, given out and taken back.
class Arena {
 public:
  int64_t take(int64_t bytes) {
    for (auto at = free_.begin(); at != free_.end(); ++at) {
      const auto [offset, length] = *at;
      if (length < bytes) continue;
      free_.erase(at);
      if (length > bytes) free_[offset + bytes] = length - bytes;
      return offset;
    }
    if (!free_.empty()) {  // grow the last free piece, if it ends the arena
      const auto last = std::prev(free_.end());
      if (last->first + last->second == end_) {
        const int64_t offset = last->first;
        free_.erase(last);
        end_ = offset + bytes;
        return offset;
      }
    }
    const int64_t offset = end_;
    end_ += bytes;
    return offset;
  }
  void give(int64_t offset, int64_t bytes) {
    auto at = free_.emplace(offset, bytes).first;
    const auto next = std::next(at);
    if (next != free_.end() && at->first + at->second == next->first) {
      at->second += next->second;
      free_.erase(next);
    }
    if (at != free_.begin()) {
      const auto before = std::prev(at);
      if (before->first + before->second == at->first) {
        before->second += at->second;
        free_.erase(at);
      }
    }
  }
  int64_t end() const { return end_; }

 private:
  std::map<int64_t, int64_t> free_;  // offset -> length
  int64_t end_ = 0;
};

}  // namespace fallline

#endif  // FALLLINE_PLAN_ARENA_H_
